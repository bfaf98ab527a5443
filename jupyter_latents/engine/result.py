"""What a stage made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_latents.engine.schedule.window import FractionRule, Grid, Span
from jupyter_latents.stage import Point, SigmaPoint

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
        sigmas: Noise level before each whole step and after the last, as the schedule's form shows it; empty where they
            were not kept.
        switches: The steps of the whole schedule at which what steers it changes.
        boundary: Where the two experts of its model meet, a share of the training timesteps; None for one denoiser.
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
    sigmas: tuple[float, ...] = ()
    switches: tuple[int, ...] = ()
    boundary: float | None = None

    @property
    def saved(self) -> int:
        """Scheduler steps that were not repeated, because they were kept from before."""
        reached = self.latents.position.step if self.latents.position is not None else self.span.end
        return max(0, self.span.evaluations_to(reached) - self.evaluations)

    def step_of(self, point: Point | None) -> int:
        """The whole step of a point of this schedule; its end for None.

        Raises:
            WindowError: The schedule has no such step or noise level.
        """
        if isinstance(point, SigmaPoint) and not self.sigmas:
            return self._step_of_level(point.sigma)
        grid = Grid(self.timesteps, self.span.order, self.rule, self.train_timesteps, self.sigmas, self.boundary)
        return self.span.of if point is None else grid.step(point, "denoising_end")

    def _step_of_level(self, sigma: float) -> int:
        """The same of a result that an earlier version kept: by its steps; the end where none of them is so low."""
        reached = (
            step.position.step
            for step in self.latents.trajectory
            if step.position is not None and step.noise is not None and step.noise.own_sigma <= sigma * (1 + 1e-6)
        )
        return next(reached, self.span.of)
