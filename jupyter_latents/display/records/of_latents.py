"""A run's record made again from latents that carry their steps."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_latents.display.records.fill import fill_channels, fill_end, fill_frames
from jupyter_latents.display.records.run_record import RunRecord
from jupyter_latents.display.records.stage_record import Point, StageRecord, own_sigma
from jupyter_latents.engine import Span, schedule_of
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.points import scales_in
from jupyter_latents.stage import ModelSource, Prompt, Stage, Sweep, address_of

if TYPE_CHECKING:
    from jupyter_latents.latents.facts import Noise
    from jupyter_latents.latents.value import Latents

__all__ = ["record_of", "stage_of"]

_FILLING_SECONDS = 3.0


def record_of(latents: Latents, name: str = "", *, pictures: bool = True) -> RunRecord:
    """The record of what made latents: a stage for each model that had a part in them.

    Args:
        latents: Latents, with a trajectory where they have one.
        name: Variable that they are bound to, or empty.
        pictures: Whether pictures are of use.
    """
    record = RunRecord(state="done", heading=name or "latents")
    steps = tuple(latents.trajectory or (latents,))
    for number, kept in enumerate(steps):
        _add(record, kept, steps[: number + 1] if latents.trajectory else (), name)
    if pictures:
        _fill(record, latents)
    record.ended = record.began
    return record


def _fill(record: RunRecord, latents: Latents) -> None:
    """Makes the pictures: the decoded ones, then frames and channels for a while."""
    deadline = time.monotonic() + _FILLING_SECONDS
    for stage in record.stages:
        fill_channels(stage, deadline)
    _add_pictures(record, latents)
    fill_end(record.stages[-1])
    fill_frames(record, deadline)


def _add(record: RunRecord, kept: Latents, before: tuple[Latents, ...], name: str) -> None:
    """Adds a step, in a stage of its own where another model made it."""
    step, of = (kept.position.step, kept.position.of) if kept.position is not None else (1, 1)
    if not record.stages or record.stages[-1].stage.model.name != kept.provenance.model:
        before_it = record.stages[-1].points[-1].sigma if record.stages else None
        record.stages.append(StageRecord(stage_of(kept, of), name, record.began))
        began = _level_before(kept)
        record.stages[-1].first_sigma = before_it if began is None else own_sigma(began)
        form = began or kept.noise
        record.stages[-1].form = "" if form is None or form.is_clean else form.form_shown
    stage = record.stages[-1]
    level = kept.noise
    stage.points.append(Point(step, own_sigma(level), "" if level is None else str(level)))
    stage.span = Span(stage.points[0].step - 1, step, of, 1, of)
    stage.latents, stage.facts = kept.replace(trajectory=before or (kept,)), kept.facts()


def _level_before(kept: Latents) -> Noise | None:
    """The level before a kept step; None where the schedule that it is a step of cannot be made again exactly."""
    position = kept.position
    if position is None or kept.space is None or not kept.provenance.model:
        return None
    try:
        asked = address_of(kept.provenance.options.get("scheduler"), "schedulers")
        schedule = schedule_of(replace(stage_of(kept, position.of), scheduler=asked), kept.size)
    except JupyterLatentsError:
        return None
    return schedule.levels[position.step - 1] if schedule.digest == position.schedule else None


def _add_pictures(record: RunRecord, latents: Latents) -> None:
    """The decoded pictures where the latents are clean, else the preview of the clean estimate."""
    stage = record.stages[-1]
    try:
        if latents.is_clean:
            made = latents.decode()
            stage.take_pictures([made] if latents.moves and latents.shape[0] == 1 else made)
    except JupyterLatentsError as error:
        record.add_note(f"not decoded: {error.message}", warning=False)


def stage_of(latents: Latents, of: int, sweep: Sweep | None = None) -> Stage:
    """What latents say of the stage that made them.

    Args:
        latents: The latents.
        of: Steps of its schedule.
        sweep: Which of several stages it is.
    """
    made = latents.provenance
    return Stage(
        model=ModelSource(made.model or "latents"),
        prompt=Prompt(made.prompt, made.negative_prompt),
        seed=made.seed,
        num_inference_steps=of,
        guidance_scale=scales_in(made.options.get("guidance_scale"), made.guidance_scale or 0.0),
        sweep=sweep,
    )
