"""Where a stage enters its schedule and which of its steps run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

from jupyter_latents.engine.given.outline import Outline, Standing
from jupyter_latents.engine.layout import LAYOUTS
from jupyter_latents.engine.models.family import Family
from jupyter_latents.engine.schedule import beginning, handoff, schedulers
from jupyter_latents.engine.schedule.handoff import Entrance
from jupyter_latents.engine.schedule.history import CHANGED, NO_HISTORY, objection
from jupyter_latents.engine.schedule.likeness import deviation_of, doubt
from jupyter_latents.engine.schedule.strength import cut_by_strength
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.errors import WindowError
from jupyter_latents.latents.sound import sound_of
from jupyter_latents.latents.value import Latents
from jupyter_latents.optimizations import keeps_law
from jupyter_latents.stage import Stage
from jupyter_latents.wording import option

__all__ = ["Entering", "enter", "enter_noised", "first_step"]


@dataclass(frozen=True, slots=True)
class Entering:
    """Which steps of a schedule run, and how latents enter it.

    Attributes:
        schedule: Digest of the schedule.
        span: The whole steps that run.
        first: First step that the strength of a picture allows; 0 without one.
        way: How the given latents enter; None without.
        lost: Why they go on without their history though they stand in this very schedule; empty where they do not.
        renoised: Whether they are clean and noised to a strength.
    """

    schedule: str
    span: Span
    first: int = 0
    way: Entrance | None = None
    lost: str = ""
    renoised: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What is converted, assumed or contradicted."""
        if self.way is None:
            return ()
        lost = f"continues without history: {self.lost}" if self.lost else ""
        return tuple(filter(None, (*self.way.notes, self.way.warning, lost)))

    @property
    def exact(self) -> bool:
        """Whether the given latents go on with their history."""
        return self.way is not None and self.way.exact and not self.lost

    def word(self, stage: Stage, given: Standing, model: str) -> str:
        """How the given latents enter, in words.

        Args:
            stage: What is asked for.
            given: The latents that enter.
            model: Digest of the receiving model.
        """
        if self.way is None:
            return ""
        if stage.latents_processors:
            return f"changed by {', '.join(link.name for link in stage.latents_processors)}"
        if not self.way.exact:
            converted = given.noise is not None and given.noise.form != self.way.noise.form and not given.is_clean
            return "converted form" if converted else "same space"
        same_model = given.position is not None and given.position.model == model
        return self._same_schedule(stage, given) if same_model else "same schedule, another model"

    def _same_schedule(self, stage: Stage, given: Standing) -> str:
        """The word for latents that the same model made on the same schedule."""
        if self.lost:
            return "same schedule, without history"
        if not keeps_law(stage.model.optimize):
            return "same schedule, approximate steps"
        same = given.provenance.options.get("optimize", "").split() == list(map(str, stage.model.optimize))
        return "exact continuation" if same else "same schedule, optimized otherwise"


def first_step(pipeline: type, mode: str, scheduler: Any, stage: Stage, strength: float) -> int:
    """The step at which the strength of an input image lets a schedule begin, by the pipeline's own rule.

    Args:
        pipeline: The diffusers class; its ``get_timesteps`` asks for nothing but its scheduler.
        mode: ``img2img`` or ``inpaint``.
        scheduler: A scheduler with the whole schedule set; nobody steps it.
        stage: What is asked for.
        strength: 0 to 1.

    Raises:
        WindowError: The strength leaves no step.
    """
    if not hasattr(pipeline, "get_timesteps"):
        return 0
    stub, whole = SimpleNamespace(scheduler=scheduler), scheduler.timesteps
    own = partial(pipeline.get_timesteps, stub)
    kept, left = cut_by_strength(own, scheduler, stage.num_inference_steps, strength)
    if len(kept) == 0 or (left < 1 and mode == "inpaint"):  # PNDM's repeated timestep is left, and inpainting asks
        raise _no_step(strength, stage.num_inference_steps)
    return (len(whole) - len(kept)) // int(scheduler.order)


def _no_step(strength: float, steps: int) -> WindowError:
    return WindowError(
        f"strength {strength:g} of {steps} {'step' if steps == 1 else 'steps'} leaves no step to run. "
        f"Raise {option('strengths')} to {1 / steps:.3g} or more, or {option('inference_steps')}.",
        option="strengths",
    )


def step_of_strength(family: Family, scheduler: Any, stage: Stage) -> int:
    """The step at which clean latents enter by a stage's strength, by the rule of its family's image-to-image pipeline.

    Raises:
        WindowError: The strength leaves no step.
    """
    import diffusers

    strength, steps = stage.strength or 0.0, stage.num_inference_steps
    pipeline = getattr(diffusers, family.img2img or family.txt2img or "", object)
    if hasattr(pipeline, "get_timesteps"):
        return first_step(pipeline, "img2img", scheduler, stage, strength)
    if int(steps * strength) < 1:
        raise _no_step(strength, steps)
    return steps - min(int(steps * strength), steps)


def enter_noised(stage: Stage, scheduler: Any, family: Family, boundary: float | None = None) -> Entering:
    """Decides which steps run where clean latents are noised to a strength.

    Args:
        stage: What is asked for.
        scheduler: The receiving scheduler with its whole schedule set.
        family: The model's family.
        boundary: See `Grid`.

    Raises:
        WindowError: No step lies in the window.
    """
    first = step_of_strength(family, scheduler, stage)
    span = handoff.grid_of(scheduler, family.fraction, boundary).span(stage.window, first)
    level = schedulers.level(scheduler, span.start_index)
    note = f"clean latents are noised to {level}, where a strength of {stage.strength:g} begins"
    way = Entrance(span, level, False, (note,))
    return Entering(schedulers.schedule_digest(scheduler), span, first, way, renoised=True)


def enter(
    stage: Stage,
    given: Standing | None,
    scheduler: Any,
    family: Family,
    first: int,
    boundary: float | None = None,
) -> Entering:
    """Decides which steps run and how the given latents enter.

    Args:
        stage: What is asked for.
        given: Latents in the model's space; None without.
        scheduler: The receiving scheduler with its whole schedule set.
        family: The model's family.
        first: First step that an input image's strength allows.
        boundary: See `Grid`.

    Raises:
        HandoffError: The latents' noise level is not known, nothing is left to run, or the scheduler cannot begin in
            mid-schedule.
        WindowError: No step lies in the window.
    """
    span = handoff.grid_of(scheduler, family.fraction, boundary).span(stage.window, first)
    schedule = schedulers.schedule_digest(scheduler)
    if given is None:
        beginning.check(scheduler, span.start_index)
        return Entering(schedule, span, first)
    way = _doubted(given, handoff.entrance(given, stage.window, scheduler, span, schedule))
    lost = _lost_history(given, scheduler, way, family) if way.exact else ""
    if way.exact and not lost:
        return Entering(schedule, way.span, first, way)
    return Entering(schedule, _begun_anew(scheduler, way.span), first, way, lost)


def _doubted(given: Standing, way: Entrance) -> Entrance:
    """Where latents of no known schedule enter, with what their values say against it."""
    if not isinstance(given, Latents) or given.position is not None or way.form is not None or way.warning:
        return way
    return replace(way, warning=doubt(deviation_of(given.tensor), given.noise or way.noise))


def _begun_anew(scheduler: Any, span: Span) -> Span:
    """The steps that run where latents enter without their history."""
    beginning.check(scheduler, span.start_index)
    start = span.start + beginning.first_index(scheduler, span.start_index) - span.start_index
    moved = handoff.starting(span, start)
    run = beginning.indices(scheduler, moved.start_index)
    return replace(moved, repeats=len(run) - (moved.timesteps - moved.start_index))


def _lost_history(given: Standing, scheduler: Any, way: Entrance, family: Family) -> str:
    """Why latents go on without their history, or an empty string."""
    if isinstance(given, Outline):
        return "" if given.has_history else NO_HISTORY
    if not isinstance(given, Latents) or given.resume is None:
        return NO_HISTORY
    if given.changed_in_place:
        return CHANGED
    if family.sound and sound_of(given.resume) is None:
        return "their sound is not there"
    layout = LAYOUTS[family.layout]
    steered = layout.steered if given.provenance.options.get("pictures") == "1" else None
    stepped = (steered or layout.pack)(given.tensor.to("meta")).shape
    return objection(given.resume, scheduler, way.span.start_index, stepped)
