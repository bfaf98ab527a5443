"""What a run enters its schedule with, and what there is after each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from jupyter_latents.latents.facts import StateValue

__all__ = ["Entry", "Generators", "StepState"]

Generators = torch.Generator | list[torch.Generator]
"""The random generator of a run, or one for each item of its batch."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where and with what a run enters its schedule, decided when the schedule is known.

    Attributes:
        start_index: Timestep index of the first step.
        end_index: Timestep index after the last step.
        latents: Starting latents as the loop holds them; None to start from what the pipeline prepares.
        scheduler_state: State to give the scheduler, or None.
        generator_state: State to give the generator, or None.
    """

    start_index: int
    end_index: int
    latents: torch.Tensor | None = None
    scheduler_state: Mapping[str, StateValue] | None = None
    generator_state: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class StepState:
    """What there is after a step.

    Attributes:
        index: Timestep index reached.
        latents: The latents as the loop holds them, a copy.
        denoised: The clean estimate of the step, same shape, or None.
        scheduler: The scheduler's changed attributes; None where they cannot travel.
        generator: The generator's state, or the states of all.
    """

    index: int
    latents: torch.Tensor
    denoised: torch.Tensor | None
    scheduler: Mapping[str, StateValue] | None
    generator: torch.Tensor | tuple[torch.Tensor, ...]

    @property
    def size(self) -> int:
        """Bytes of its tensors."""
        return _bytes((self.latents, self.denoised, self.scheduler))


def _bytes(value: object) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return sum(map(_bytes, parts))
