"""The record of several latents: each a stage that has ended, with its picture; nothing of their steps is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_latents.display.pictures.channels import quantise
from jupyter_latents.display.records.of_latents import stage_of
from jupyter_latents.display.records.run_record import RunRecord
from jupyter_latents.display.records.stage_record import Point, StageRecord, own_sigma
from jupyter_latents.engine import Span
from jupyter_latents.stage import Choice, ModelSource, Stage, Sweep, label_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.value import Latents

__all__ = ["Pictured", "record_of_several"]


@dataclass(frozen=True, slots=True)
class Pictured:
    """Latents among others, as they are shown.

    Attributes:
        latents: The latents; None for a picture alone.
        pictures: Their pictures; may be empty.
        choice: What tells them from the others.
        variable: Python that names them, or empty.
    """

    latents: Latents | None
    pictures: tuple[Image | Clip, ...] = ()
    choice: Choice = ()
    variable: str = ""


def record_of_several(several: Sequence[Pictured], heading: str) -> RunRecord:
    """The record of several latents.

    Args:
        several: The latents with their pictures.
        heading: What to call them.
    """
    record = RunRecord(state="done", heading=heading, still=True)
    for number, one in enumerate(several):
        record.stages.append(_stage(one, Sweep(number, len(several), one.choice), record.began))
    record.ended = record.began
    return record


def _stage(one: Pictured, sweep: Sweep, began: float) -> StageRecord:
    if one.latents is None:
        return _picture(one, sweep, began)
    latents, position = one.latents, one.latents.position
    step, of = (position.step, position.of) if position is not None else (1, 1)
    name, _, rest = one.variable.partition("[")
    stage = StageRecord(stage_of(latents, of, sweep), name, began)
    stage.place = int(rest[:-1]) if rest else None
    level = latents.noise
    point = Point(step, own_sigma(level), "" if level is None else str(level))
    point.channels = quantise(latents.tensor[0].float().numpy())
    stage.points, stage.span = [point], Span(step - 1, step, of, 1, of)
    stage.latents, stage.facts, stage.kept = latents, latents.facts(), True
    stage.take_pictures(one.pictures)
    return stage


def _picture(one: Pictured, sweep: Sweep, began: float) -> StageRecord:
    """A picture that no latents are known of."""
    stage = StageRecord(Stage(model=ModelSource("picture"), sweep=sweep), "", began, span=Span(0, 1, 1, 1, 1))
    stage.take_pictures(one.pictures)
    size = " and ".join(f"{picture.width} \u00d7 {picture.height} pixels" for picture in stage.pictures)
    stage.points, stage.facts = [Point(1, 0.0, "a picture")], {"picture": label_of(one.choice), "size": size}
    stage.kept = True
    return stage
