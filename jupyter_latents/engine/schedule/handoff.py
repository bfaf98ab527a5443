"""How given latents enter a receiving schedule: at which step, in which form, with how much noise added.

Equations: forms and levels as in facts of k-diffusion (Karras et al. 2022) and flow matching (Liu et al. 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.engine.schedule.level_tensor import same_level
from jupyter_latents.engine.schedule.likeness import likely_form, root_mean_square
from jupyter_latents.engine.schedule.window import FractionRule, Grid, Span
from jupyter_latents.errors import HandoffError
from jupyter_latents.latents.facts import Form, Noise
from jupyter_latents.latents.form_table import ROWS
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import Window
from jupyter_latents.wording import option

__all__ = ["Entrance", "entrance", "grid_of", "starting"]

_PICTURE = 0.05  # sigma of the first training timesteps: where inversion takes a clean picture as it is


@dataclass(frozen=True, slots=True)
class Entrance:
    """How latents enter a schedule.

    Attributes:
        span: The whole steps that run.
        noise: The receiving level at the first step.
        exact: Whether this continues the giver's own schedule from where it is.
        notes: What to tell: conversions, assumptions.
        warning: A contradiction between what was asked for and what the latents are, or empty.
        form: The form that latents are in which do not say it; None where it is the receiver's.
    """

    span: Span
    noise: Noise
    exact: bool
    notes: tuple[str, ...] = ()
    warning: str = ""
    form: Form | None = None


def entrance(latents: Standing, window: Window, scheduler: Any, span: Span, own_schedule: str) -> Entrance:
    """Decides where latents enter a receiving schedule.

    Args:
        latents: What is handed over.
        window: The fractions that the stage gives.
        scheduler: The receiving scheduler after ``set_timesteps``.
        span: The window resolved by fractions alone.
        own_schedule: Digest of the receiving schedule.

    Raises:
        HandoffError: The latents' noise level is not known and no ``--denoising-start`` says it.
    """
    noise = latents.noise
    if noise is None:
        return _assumed(latents, window, scheduler, span)
    same, own = False, 0
    if latents.position is not None and latents.position.schedule == own_schedule:
        own = latents.position.step
        same = same_level(
            noise.sigma, schedulers.level(scheduler, span.index(own)).sigma
        )  # else somebody says it is not
    if not same:
        own = _nearest_above(noise, scheduler, span)
    if window.start is None or (same and span.start == own):
        return _at(own, noise, scheduler, span, exact=same)
    given = schedulers.level(scheduler, span.start_index)
    if same_level(noise.sigma, given.sigma):
        return _at(span.start, noise, scheduler, span)
    if abs(span.start - own) <= 1 and _within_half_step(noise.sigma, scheduler, span):
        return _at(own, noise, scheduler, span)
    leave_out = (
        "Without a denoising start they enter there too; more steps would come nearer."
        if span.start == own
        else "Leave the denoising start out to carry on from where they are."
    )
    warning = (
        f"denoising start {window.start:g} is step {span.start} of {span.of} ({given}), but these latents stand at "
        f"{noise}, nearest to step {_nearest(noise.sigma, scheduler, span)}. {leave_out}"
    )
    return replace(_at(span.start, noise, scheduler, span), warning=warning)


def _at(step: int, giver: Noise, scheduler: Any, span: Span, *, exact: bool = False) -> Entrance:
    """Entering at a step of the receiving schedule."""
    moved = starting(span, step)
    level = schedulers.level(scheduler, moved.start_index)
    if giver.is_clean and level.sigma <= _PICTURE:
        level = replace(level, sigma=0.0)
    return Entrance(moved, level, exact, () if exact else _notes(giver, level))


def _assumed(latents: Standing, window: Window, scheduler: Any, span: Span) -> Entrance:
    """Where latents of unknown noise enter: where ``--denoising-start`` says."""
    if window.start is None:
        raise HandoffError(
            "the noise level of these latents is not known (a file without facts). Say where they stand with "
            f"{option('denoising_start')}, the fraction at which they were stopped, or load them with "
            "Latents.load(path, sigma=...)."
        )
    level = schedulers.level(scheduler, span.start_index)
    note = f"noise level not known, taken as {level} of the denoising start {window.start:g}"
    form = likely_form(latents.tensor, level) if isinstance(latents, Latents) else level.form
    if not isinstance(latents, Latents) or form == level.form:
        return Entrance(span, level, False, (note,))
    scaled = "as pure noise" if span.start == 0 else f"in {form.upper()} form"
    size = f"values of {root_mean_square(latents.tensor):.2g} cannot be {level}: they enter {scaled}, scaled to it"
    return Entrance(span, level, False, (note, size), form=form)


def starting(span: Span, start: int) -> Span:
    """A span that begins at another step.

    Raises:
        HandoffError: It has no step from there on.
    """
    if start >= span.end:
        raise HandoffError(
            f"these latents already stand at step {start} of {span.of}, and {option('denoising_end')} is step "
            f"{span.end}: no step is left to run."
        )
    return Span(start, span.end, span.of, span.order, span.timesteps)


def _nearest_above(noise: Noise, scheduler: Any, span: Span) -> int:
    """The step whose level is nearest to that of `noise`, at or above it.

    Raises:
        HandoffError: A schedule that adds noise has no step there: it ends below.
    """
    sigma = noise.sigma
    at_or_above = [
        step
        for step in range(span.of)
        if (level := schedulers.level(scheduler, span.index(step)).sigma) >= sigma or same_level(level, sigma)
    ]
    if not schedulers.backwards(scheduler):
        return max(at_or_above, default=0)
    if not at_or_above:
        last = schedulers.level(scheduler, span.index(span.of - 1))
        raise HandoffError(
            f"these latents stand at {noise}, above the last step of {type(scheduler).__name__}, which begins at "
            f"{last}: there is nothing to invert. Denoise them with another {option('schedulers')}."
        )
    return min(at_or_above)


def _nearest(sigma: float, scheduler: Any, span: Span) -> int:
    """The step whose level is nearest to `sigma`; the distance counts in log sigma."""

    def distance(step: int) -> float:
        level = schedulers.level(scheduler, span.index(step)).sigma
        return abs(math.log(level / sigma)) if 0 < level < math.inf and 0 < sigma < math.inf else abs(level - sigma)

    return min(range(span.of), key=distance)


def _within_half_step(sigma: float, scheduler: Any, span: Span) -> bool:
    """Whether `sigma` lies within half a step (in log sigma) of the level at the span's start."""
    here = schedulers.level(scheduler, span.start_index).sigma
    towards = span.start + (1 if (sigma > here) == schedulers.backwards(scheduler) else -1)
    if not 0 <= towards < span.of:
        return towards < 0
    there = schedulers.level(scheduler, span.index(towards)).sigma
    if not all(map(math.isfinite, (sigma, here, there))) or min(sigma, here, there) <= 0:
        return False
    return abs(math.log(sigma / here)) <= abs(math.log(there / here)) / 2 + 1e-9


def _notes(giver: Noise, receiver: Noise) -> tuple[str, ...]:
    notes = []
    if giver.form != receiver.form and not giver.is_clean:
        notes.append(f"form converted from {giver.form.upper()} to {receiver.form.upper()}")
    if math.isinf(receiver.sigma) and not math.isinf(giver.sigma):
        notes.append(f"{giver} enters where the schedule begins with pure noise; more steps would enter nearer to it")
    elif not same_level(giver.sigma, receiver.sigma) and receiver.sigma > giver.sigma:
        mixed = ROWS[giver.form].own is not ROWS[receiver.form].own  # whose numbers cannot be compared
        levels = f" (in VE terms {giver.sigma:.3g} and {receiver.sigma:.3g})" if mixed else ""
        notes.append(f"noise added to come from {giver} to {receiver}{levels}")
    elif math.isfinite(giver.sigma) and giver.sigma > receiver.sigma and not same_level(giver.sigma, receiver.sigma):
        notes.append(f"{giver} is noisier than {receiver}, where these latents enter: brought to its variance")
    return tuple(notes)


def grid_of(scheduler: Any, rule: FractionRule = "steps", boundary: float | None = None) -> Grid:
    """What points of a run are counted on.

    Args:
        scheduler: A scheduler with its whole schedule set.
        rule: How a fraction counts.
        boundary: See `Grid`.
    """
    train = int(scheduler.config.get("num_train_timesteps", 1000))
    timesteps, order = [float(timestep) for timestep in scheduler.timesteps], int(scheduler.order)
    steps = -(-len(timesteps) // order)
    indices = [min(step * order, len(timesteps)) for step in range(steps + 1)]
    known = indices if schedulers.has_levels(scheduler) else ()
    sigmas = [schedulers.level(scheduler, index).own_sigma for index in known]
    return Grid(timesteps, order, rule, train, sigmas, boundary)
