"""What a stage will do, told before any weights load: window, levels, evaluations, memory, the hand-over's verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_latents.engine.bridge import fitting
from jupyter_latents.engine.models.describe import ModelFacts, describe
from jupyter_latents.engine.models.load import dtype_of
from jupyter_latents.engine.models.memory import device_of
from jupyter_latents.engine.models.optimize import check_optimize
from jupyter_latents.engine.schedule import handoff, schedulers
from jupyter_latents.engine.schedule import timesteps as shifts
from jupyter_latents.engine.schedule.handoff import Standing
from jupyter_latents.engine.schedule.history import NO_HISTORY, objection
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.errors import HandoffError, JupyterLatentsError
from jupyter_latents.latents.facts import CLEAN, Noise, Position, Provenance, Space
from jupyter_latents.latents.files.comfy_file import RAW_VAE
from jupyter_latents.latents.value import Latents
from jupyter_latents.optimizations import keeps_law
from jupyter_latents.stage import Stage

__all__ = ["Outline", "PlannedStage", "plan", "verdict"]


@dataclass(frozen=True, slots=True)
class Outline:
    """The facts of latents that an earlier stage of the plan will make."""

    shape: tuple[int, ...]
    space: Space | None
    noise: Noise | None
    position: Position | None
    provenance: Provenance

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left to denoise."""
        return self.noise is not None and self.noise.is_clean

    @property
    def has_estimate(self) -> bool:
        """Whether the clean estimate will be known: a stage keeps it."""
        return True


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """One stage of a plan.

    Attributes:
        stage: What is asked for.
        family: Name of the model's family; empty when the model is not found.
        mode: ``txt2img``, ``img2img`` or ``inpaint``.
        span: The whole steps that run; None when it is refused.
        start: Noise level at the start.
        end: Noise level at the end.
        evaluations: Scheduler steps, those that are kept from before among them.
        saved: How many of them are kept from before and will not run.
        weights: Bytes of the model's weight files.
        verdict: How given latents enter, or empty.
        notes: What is converted or assumed.
        refused: Why it cannot run, or empty.
        error: The error that it would end with, or None.
        outline: What it will make.
    """

    stage: Stage
    family: str = ""
    mode: str = "txt2img"
    span: Span | None = None
    start: Noise = CLEAN
    end: Noise = CLEAN
    evaluations: int = 0
    weights: int = 0
    verdict: str = ""
    notes: tuple[str, ...] = ()
    refused: str = ""
    outline: Outline | None = None
    error: JupyterLatentsError | None = None
    saved: int = 0


def plan(stage: Stage, mode: str, given: Standing | None, image_size: tuple[int, int] | None = None) -> PlannedStage:
    """Plans a stage without loading weights.

    Args:
        stage: What is asked for.
        mode: ``txt2img``, ``img2img`` or ``inpaint``.
        given: The latents it starts from, made or still to be made.
        image_size: (width, height) of an input image.
    """
    try:
        facts = describe(stage.model)
        return _planned(stage, mode, given, image_size, facts)
    except JupyterLatentsError as error:
        return PlannedStage(stage, mode=mode, refused=error.message, error=error)


def verdict(given: Standing, stage: Stage) -> str:
    """How latents would enter a stage, in words; starts with ``impossible`` when they cannot."""
    planned = plan(stage, "txt2img", given)
    return f"impossible: {planned.refused}" if planned.refused else "; ".join((planned.verdict, *planned.notes))


def _planned(
    stage: Stage, mode: str, given: Standing | None, image_size: tuple[int, int] | None, facts: ModelFacts
) -> PlannedStage:
    family, space = facts.family, facts.space
    optimize = check_optimize(stage.model, facts)
    if mode == "txt2img" and given is not None and family.txt2img is None:
        mode = "img2img"
    family.pipeline_name(mode, control=bool(stage.model.control_nets))
    width, height = _size(stage, given, image_size, facts)
    scheduler = schedulers.build(stage.scheduler, *facts.scheduler, seed=stage.seed or 0)
    shifts.check_takes(scheduler, family.schedule, family.name, mode)
    request = shifts.Request(stage.num_inference_steps, (width // 16) * (height // 16), stage.sigmas)
    shifts.set_timesteps(scheduler, family.schedule, request)
    first = 0
    if mode != "txt2img" and given is None:
        strength = 0.8 if stage.strength is None else stage.strength
        first = stage.num_inference_steps - min(int(stage.num_inference_steps * strength), stage.num_inference_steps)
    span = handoff.fractions_span(stage.window, scheduler, family.fraction, first)
    word = ""
    notes: tuple[str, ...] = ()
    if given is not None:
        inverts = schedulers.backwards(scheduler)
        bridged = not handoff.check_fits(given, space, stage.model.name, backwards=inverts)
        way = handoff.entrance(given, stage.window, scheduler, span, schedulers.schedule_digest(scheduler))
        span, notes = way.span, (*way.notes, *((way.warning,) if way.warning else ()))
        lost = _lost_history(given, scheduler, way) if way.exact else ""
        notes = (*notes, f"continues without history: {lost}") if lost else notes
        word = f"bridged space, {given.space} to {space}" if bridged else _word(way, given, stage, facts, lost)
    elif stage.window.start:
        raise HandoffError(
            f'--denoising-start {stage.window.start:g} needs latents to start from (--image-seeds "latents: NAME").'
        )
    start, end = schedulers.level(scheduler, span.start_index), schedulers.level(scheduler, span.end_index)
    position = Position(
        span.end, span.of, type(scheduler).__name__, schedulers.schedule_digest(scheduler), facts.digest
    )
    batch = given.shape[0] if given is not None else stage.batch_size
    seed = stage.seed if stage.seed is not None else (given.provenance.seed if given is not None else None)
    options = {"optimize": " ".join(stage.model.optimize)} if optimize else {}
    made = Provenance(stage.model.name, facts.digest, stage.prompt.positive, seed=seed, options=options)
    outline = Outline(
        (batch, space.channels, height // space.factor, width // space.factor), space, end, position, made
    )
    return PlannedStage(
        stage,
        family.name,
        mode,
        span,
        start,
        end,
        span.evaluations,
        facts.values * _itemsize(stage, facts),
        word,
        (*notes, *(choice.note for choice in optimize)),
        "",
        outline,
    )


def _lost_history(given: Standing, scheduler: Any, way: handoff.Entrance) -> str:
    """Why latents that are at hand will continue without their history, or an empty string."""
    if not isinstance(given, Latents):
        return ""  # a stage that is yet to run keeps it
    if given.resume is None:
        return NO_HISTORY
    return objection(given.resume, scheduler, way.span.start_index)


def _word(way: handoff.Entrance, given: Standing, stage: Stage, facts: ModelFacts, lost: str) -> str:
    if way.exact:
        if given.position is None or given.position.model != facts.digest:
            return "same schedule, another model"
        if lost:
            return "same schedule, without history"
        if not keeps_law(stage.model.optimize):
            return "same schedule, approximate steps"
        same = given.provenance.options.get("optimize", "").split() == list(stage.model.optimize)
        return "exact continuation" if same else "same schedule, optimized otherwise"
    if given.noise is not None and given.noise.form != way.noise.form and not given.is_clean:
        return "converted form"
    return "same space"


def _size(
    stage: Stage, given: Standing | None, image_size: tuple[int, int] | None, facts: ModelFacts
) -> tuple[int, int]:
    factor, align = facts.space.factor, facts.family.align
    if given is not None:
        if given.space is not None and given.space.name != RAW_VAE and not given.space.same_as(facts.space):
            own = given.space.factor  # it crosses as a picture of its own size
            width, height = (fitting(cells * own, align) for cells in (given.shape[3], given.shape[2]))
        else:
            width, height = given.shape[3] * factor, given.shape[2] * factor
        if stage.size is not None and (stage.size.width, stage.size.height) != (width, height):
            raise HandoffError(
                f"--output-size {stage.size} does not fit latents of shape {given.shape}, which are "
                f"{width}x{height} pixels. Leave it out."
            )
        return width, height
    wanted: Any = (stage.size.width, stage.size.height) if stage.size else image_size or facts.default_size
    return wanted[0] - wanted[0] % align, wanted[1] - wanted[1] % align


def _itemsize(stage: Stage, facts: ModelFacts) -> int:
    """Bytes of one weight in the dtype that the stage runs in."""
    return int(dtype_of(stage.model, facts, device_of(stage.model.device)).itemsize)
