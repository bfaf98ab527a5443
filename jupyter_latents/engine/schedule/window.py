"""The only place where points of a run become step indices.

A *step* is a whole solver step; a *timestep index* counts what the pipeline's loop iterates. They differ for
second-order schedulers, which interleave 2N - 1 timesteps; a window always starts and ends on whole steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from jupyter_latents.errors import WindowError
from jupyter_latents.points import BoundaryPoint
from jupyter_latents.stage import Point, SigmaPoint, StepPoint, Window
from jupyter_latents.wording import option

__all__ = ["FractionRule", "Grid", "Span", "step_of_fraction"]

FractionRule: TypeAlias = Literal["steps", "timesteps"]
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Span:
    """Which whole steps of a schedule run.

    Attributes:
        start: First step, 0 for the whole schedule.
        end: Step after the last one.
        of: Whole steps of the full schedule.
        order: Timesteps of one whole step.
        timesteps: Length of the full list of timesteps.
        repeats: Evaluations beyond those of its timesteps, of a solver that begins in mid-schedule without its history.
    """

    start: int
    end: int
    of: int
    order: int
    timesteps: int
    repeats: int = 0

    @property
    def start_index(self) -> int:
        """Timestep index at which the window starts."""
        return self.index(self.start)

    @property
    def end_index(self) -> int:
        """Timestep index at which the window ends; the window runs the indices below it."""
        return self.index(self.end)

    @property
    def evaluations(self) -> int:
        """Scheduler steps (model evaluations, guidance not counted) that the window runs."""
        return self.evaluations_to(self.end)

    def evaluations_to(self, step: int) -> int:
        """Scheduler steps from the window's start to `step`."""
        done = self.index(step) - self.start_index
        return done + self.repeats if done > 0 else 0

    def index(self, step: int) -> int:
        """Timestep index at which `step` whole steps are done."""
        return min(step * self.order, self.timesteps)

    def step(self, index: int) -> int | None:
        """Whole steps done at a timestep index; None inside a step."""
        if index == self.timesteps:
            return self.of
        return index // self.order if index % self.order == 0 else None


def step_of_fraction(
    fraction: float, timesteps: Sequence[float], order: int, rule: FractionRule, train_timesteps: int
) -> int:
    """The whole step at which a fraction of the denoising is done.

    ``steps`` is dgenerate's rule, int(fraction * N), with a tolerance so that 0.29 of 100 is 29. ``timesteps`` is
    that of
    diffusers' own ``denoising_end``/``denoising_start`` for SDXL and Kolors: the steps whose timestep is at least
    round(T * (1 - fraction)).

    Args:
        fraction: 0 to 1.
        timesteps: The full schedule, falling.
        order: Timesteps of one whole step.
        rule: How the fraction counts.
        train_timesteps: T, the length of the training schedule.
    """
    steps = -(-len(timesteps) // order)
    if rule == "steps":
        return min(int(fraction * steps + _TOLERANCE), steps)
    cutoff = round(train_timesteps - fraction * train_timesteps)
    kept = sum(1 for timestep in timesteps if timestep >= cutoff)
    return min(-(-kept // order), steps)


@dataclass(frozen=True, slots=True)
class Grid:
    """What points of a run are counted on: its whole schedule.

    Attributes:
        timesteps: The full schedule, falling.
        order: Timesteps of one whole step.
        rule: How a fraction counts.
        train_timesteps: T, the length of the training schedule.
        sigmas: Noise level before each whole step and after the last, as the schedule's form shows it; empty where
            they are not known.
        boundary: Where the two experts of a model meet, a share of the training timesteps; None where it has one.
    """

    timesteps: Sequence[float]
    order: int = 1
    rule: FractionRule = "steps"
    train_timesteps: int = 1000
    sigmas: Sequence[float] = ()
    boundary: float | None = None

    @property
    def steps(self) -> int:
        """Whole steps."""
        return -(-len(self.timesteps) // self.order)

    def step(self, point: Point | None, dest: str = "") -> int:
        """The whole step of a point; the end for None.

        Args:
            point: A fraction by the grid's rule, a step, or a noise level: the first step at or below it, or at or
                above it in a schedule that adds noise. That of the experts' boundary means the boundary.
            dest: The option that gave it, for the error.

        Raises:
            WindowError: The schedule has no such step or level.
        """
        if point is None:
            return self.steps
        if isinstance(point, StepPoint):
            if point.step > self.steps:
                raise self._outside(point, dest)
            return point.step
        if isinstance(point, SigmaPoint) and point.sigma == self.boundary:
            return self._step_of_boundary(dest)
        if isinstance(point, SigmaPoint):
            return self._step_of_sigma(point, dest)
        if isinstance(point, BoundaryPoint):
            return self._step_of_boundary(dest)
        return step_of_fraction(point, self.timesteps, self.order, self.rule, self.train_timesteps)

    def span(self, window: Window, first: int = 0) -> Span:
        """The whole steps of a window.

        Args:
            window: Start and end, None for the ends of the schedule.
            first: First step that can run at all: the step where an image's strength lets the schedule begin.

        Raises:
            WindowError: No step lies in the window, or an end of it is outside the schedule.
        """
        start = first if window.start is None else max(first, self.step(window.start, "denoising_start"))
        end = self.step(window.end, "denoising_end")
        if end <= start:
            raise WindowError(
                f"no step to run: {_beginning(window, start, self.steps)} and {_ending(window, end, self.steps)}. "
                f"Use more {option('inference_steps')} or a wider window."
            )
        return Span(start, end, self.steps, self.order, len(self.timesteps))

    def _step_of_boundary(self, dest: str) -> int:
        """The first step of the expert for the low noise levels."""
        if self.boundary is None:
            said = f"{option(dest)} boundary" if dest else "boundary"
            raise WindowError(
                f"{said} is for models with two experts, and this one has one denoiser. Give a fraction, a step or a "
                "noise level.",
                option=dest or None,
            )
        edge = self.boundary * self.train_timesteps
        return sum(1 for timestep in self.timesteps[:: self.order] if timestep >= edge)

    def _step_of_sigma(self, point: SigmaPoint, dest: str) -> int:
        rises = len(self.sigmas) > 1 and self.sigmas[-1] > self.sigmas[0]
        levels = [-level for level in self.sigmas] if rises else list(self.sigmas)
        wanted = -point.sigma if rises else point.sigma
        if not levels or wanted > max(levels) + _slack(point.sigma):
            raise self._outside(point, dest)
        reached = (
            step
            for step, level in enumerate(levels)
            if level <= wanted + _slack(point.sigma) or _shown(self.sigmas[step]) == point.sigma
        )
        found = next(reached, None)
        if found is None:
            raise self._outside(point, dest)
        return found

    def _outside(self, point: Point, dest: str) -> WindowError:
        levels = f", or a noise level of σ {self.sigmas[0]:.3g} to {self.sigmas[-1]:.3g}" if self.sigmas else ""
        said = f"{option(dest)} {point}" if dest else str(point)
        return WindowError(
            f"{said} is outside the run, which has {self.steps} steps: give a step of 2 to {self.steps}, a fraction "
            f"of 0 to 1{levels}.",
            option=dest or None,
        )


def _slack(sigma: float) -> float:
    return 1e-6 * sigma


def _shown(sigma: float) -> float:
    """A noise level with the digits that are shown: what is copied from there means that step."""
    return float(f"{sigma:.3g}")


def _beginning(window: Window, start: int, steps: int) -> str:
    if window.start is not None:
        return f"{option('denoising_start')} {window.start:g} is step {start} of {steps}"
    return f"{option('strengths')} begins at step {start} of {steps}" if start else f"the schedule has {steps} steps"


def _ending(window: Window, end: int, steps: int) -> str:
    return (
        f"{option('denoising_end')} {window.end:g} is step {end}"
        if window.end is not None
        else f"it ends at step {steps}"
    )
