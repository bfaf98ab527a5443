"""What a stage made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_latents.engine.schedule.window import FractionRule, Span, step_of_fraction

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.facts import Noise
    from jupyter_latents.latents.value import Latents

__all__ = ["StageResult"]


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage made.

    Attributes:
        latents: The latents at its end, with their trajectory; partial when it was stopped.
        images: Decoded pictures or clips when it ended clean, else empty.
        span: The steps it was to run.
        evaluations: Scheduler steps it ran.
        stopped: Whether it was stopped before its end.
        timesteps: The full schedule.
        rule: How fractions of it count.
        train_timesteps: Length of the training schedule.
        start: Noise level at its start; None where it was not kept.
    """

    latents: Latents
    images: tuple[Image | Clip, ...]
    span: Span
    evaluations: int
    stopped: bool
    timesteps: tuple[float, ...] = ()
    rule: FractionRule = "steps"
    train_timesteps: int = 1000
    start: Noise | None = None

    @property
    def saved(self) -> int:
        """Scheduler steps that were not repeated, because they were kept from before."""
        reached = self.latents.position.step if self.latents.position is not None else self.span.end
        return max(0, self.span.evaluations_to(reached) - self.evaluations)

    def step_of(self, fraction: float | None) -> int:
        """The whole step at which a fraction of this schedule is done; None for its end."""
        if fraction is None:
            return self.span.of
        return step_of_fraction(fraction, self.timesteps, self.span.order, self.rule, self.train_timesteps)
