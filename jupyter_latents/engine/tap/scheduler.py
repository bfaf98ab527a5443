"""What a pipeline sees as its scheduler."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch

from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.engine.tap.partner import PartnerScheduler

if TYPE_CHECKING:
    from jupyter_latents.engine.tap.tap import Tap

__all__ = ["WindowedScheduler"]

_OWN = frozenset({"_tap", "set_timesteps", "step", "scale_model_input", "set_begin_index", "scale_noise"})


class WindowedScheduler:
    """What a pipeline sees as its scheduler: the real one, with timesteps that start at the window.

    ``set_timesteps`` and ``step`` keep the real signatures, because pipelines inspect them.
    """

    def __init__(self, tap: Tap) -> None:
        real = tap.scheduler

        @functools.wraps(real.set_timesteps)
        def set_timesteps(*args: Any, **kwargs: Any) -> None:
            if isinstance(kwargs.get("sigmas"), list):
                kwargs["sigmas"] = schedulers.custom_sigmas(real, kwargs["sigmas"])
            real.set_timesteps(*args, **kwargs)
            tap.schedule_known()

        draws = "generator" in parameters_of(real.step)

        @functools.wraps(real.step)
        def step(model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            forward = kwargs.get("per_token_timesteps") is None  # such steps take what is added, not the velocity
            kwargs.update(tap.stepping(model_output if forward else -model_output, sample))
            if draws and not args:
                kwargs.setdefault("generator", tap.generator)  # flow pipelines pass none, and noise would be global
            return tap.stepped(real.step(model_output, timestep, sample, *args, **kwargs))

        self._tap = tap
        self.set_timesteps = set_timesteps
        self.step = step
        # Functions of the tap, not methods of its own: a cycle would keep the run's model in use until it is collected.
        if hasattr(real, "scale_model_input"):
            self.scale_model_input = tap.scale_model_input
        self.set_begin_index = tap.set_begin_index  # some pipelines do not ask whether there is any
        if not hasattr(real, "scale_noise") and hasattr(real, "add_noise"):
            self.scale_noise = lambda sample, timestep, noise: real.add_noise(sample, noise, timestep)

    @property
    def timesteps(self) -> torch.Tensor:
        """Those that the pipeline is to step through."""
        return self._tap.timesteps

    def __deepcopy__(self, memo: Any) -> PartnerScheduler:
        """The copy that a pipeline makes to step the sound of a clip with (LTX-2)."""
        return PartnerScheduler(self._tap.partner, self._tap.scheduler, self._tap.offset, self._tap.generator)

    def __len__(self) -> int:
        return len(self._tap.scheduler)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tap.scheduler, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """What a pipeline sets reaches the real one."""
        if name in _OWN:
            object.__setattr__(self, name, value)
        else:
            setattr(self._tap.scheduler, name, value)
