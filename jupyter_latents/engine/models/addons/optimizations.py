"""Optimizations as an addon: choices on a denoiser of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.optimize import (
    apply_choices,
    check_optimize,
    denoiser_of,
    has_step_cache,
    step_cache,
)
from jupyter_latents.optimizations import Choice
from jupyter_latents.stage import ModelSource

__all__ = ["Optimizations", "find_addon"]


@dataclass(frozen=True)
class Optimizations(Addon):
    """What makes a denoiser faster or smaller.

    Attributes:
        choices: In the order in which they are put on it.
        denoiser: Name of the part.
    """

    choices: tuple[Choice, ...]
    denoiser: str

    mark = "optimized"

    @property
    def digest(self) -> str:
        """The choices with all of their settings."""
        return "+".join(map(str, self.choices))

    def changes(self, _facts: ModelFacts, /) -> tuple[str, ...]:
        """The denoiser."""
        return (self.denoiser,)

    def put_on(self, facts: ModelFacts, _parts: Mapping[str, Any], own: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Switches the choices on.

        Raises:
            ModelError: diffusers or torch will not have it.
        """
        what = f"the {self.denoiser} of {facts.name}"
        return {self.denoiser: apply_choices(own[self.denoiser], self.choices, what)}

    def around(self, parts: Mapping[str, Any], /) -> AbstractContextManager[Any]:
        """A step cache is empty before and after a run."""
        return step_cache(parts[self.denoiser]) if has_step_cache(self.choices) else nullcontext()


def find_addon(source: ModelSource, facts: ModelFacts) -> Optimizations:
    """The choices that a stage names.

    Raises:
        ModelError: This model or installation cannot have one, or there is no such choice.
    """
    return Optimizations(check_optimize(source, facts), denoiser_of(facts))
