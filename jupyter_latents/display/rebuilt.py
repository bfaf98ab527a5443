"""A run's record made again from latents that carry their steps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jupyter_latents.display.filling import fill_channels, fill_frames
from jupyter_latents.display.record import Point, RunRecord, StageRecord
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.stage import ModelSource, Prompt, Stage

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["record_of"]

_FILLING_SECONDS = 3.0


def record_of(latents: Latents, name: str = "") -> RunRecord:
    """The record of what made latents: a stage for each model that had a part in them.

    Args:
        latents: Latents, with a trajectory where they have one.
        name: Variable that they are bound to, or empty.
    """
    record = RunRecord(state="done", heading=name or "latents")
    steps = tuple(latents.trajectory or (latents,))
    for number, kept in enumerate(steps):
        _add(record, kept, steps[: number + 1] if latents.trajectory else (), name)
    deadline = time.monotonic() + _FILLING_SECONDS
    for stage in record.stages:
        fill_channels(stage, deadline)
    fill_frames(record, deadline)
    _add_pictures(record, latents)
    record.ended = record.began
    return record


def _add(record: RunRecord, kept: Latents, before: tuple[Latents, ...], name: str) -> None:
    """Adds a step, in a stage of its own where another model made it."""
    from jupyter_latents.engine.window import Span

    step, of = (kept.position.step, kept.position.of) if kept.position is not None else (1, 1)
    if not record.stages or record.stages[-1].stage.model.name != kept.provenance.model:
        record.stages.append(StageRecord(_stage(kept, of), name, record.began))
        record.stages[-1].first_sigma = record.stages[-2].points[-1].sigma if len(record.stages) > 1 else None
    stage = record.stages[-1]
    level = kept.noise
    sigma = 0.0 if level is None else level.flow_sigma if level.form == "flow" else level.sigma
    stage.points.append(Point(step, sigma, "" if level is None else str(level)))
    stage.span = Span(stage.points[0].step - 1, step, of, 1, of)
    stage.latents, stage.facts = kept.replace(trajectory=before or (kept,)), kept.facts()


def _add_pictures(record: RunRecord, latents: Latents) -> None:
    """The decoded pictures where the latents are clean, else the preview of the clean estimate."""
    stage = record.stages[-1]
    try:
        if latents.is_clean:
            stage.pictures = latents.decode()
    except JupyterLatentsError as error:
        record.add_note(f"not decoded: {error.message}", warning=False)


def _stage(latents: Latents, of: int) -> Stage:
    made = latents.provenance
    return Stage(
        model=ModelSource(made.model or "latents"),
        prompt=Prompt(made.prompt, made.negative_prompt),
        seed=made.seed,
        num_inference_steps=of,
        guidance_scale=made.guidance_scale or 0.0,
    )
