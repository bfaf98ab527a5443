"""What a run had no time for: frames, channels and texts of its steps, made from the latents that it kept."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.pictures.channels import quantise
from jupyter_latents.display.pictures.images import frame
from jupyter_latents.errors import JupyterLatentsError

if TYPE_CHECKING:
    from jupyter_latents.display.records.run_record import RunRecord
    from jupyter_latents.display.records.stage_record import Point, StageRecord
    from jupyter_latents.latents.value import Latents

__all__ = ["FRAME_SIDE", "fill_channels", "fill_end", "fill_frames", "fill_point"]

FRAME_SIDE = 256

# Frames by the id of the tensor they show, as long as somebody holds it, with what they were made of: a cell that is
# answered from memory shows them without decoding anything. Each answer has latents of its own around the same tensors.
_made: dict[int, tuple[tuple[Any, ...], bytes]] = {}


def fill_channels(stage: StageRecord, deadline: float) -> None:
    """Gives a stage's steps their noise levels as text, and their channels until the deadline.

    Args:
        stage: The stage, with its result.
        deadline: Monotonic time after which no more channels are read.
    """
    kept = _kept(stage)
    for point in reversed(stage.points):
        latents = kept.get(point.step)
        if latents is None:
            continue
        if latents.noise is not None:
            point.noise = str(latents.noise)
        if point.channels is None and time.monotonic() < deadline:
            point.channels = quantise(latents.tensor[0].float().numpy())


def fill_end(stage: StageRecord) -> None:
    """Gives a stage's last step the decoded pictures as its frame, where there are any."""
    if stage.points and stage.pictures:
        stage.points[-1].frame = frame(stage.clips or stage.pictures, FRAME_SIDE)


def fill_point(point: Point, latents: Latents) -> None:
    """Gives one step the frame and the channels that it lacks, however long that takes: a person waits for them.

    Args:
        point: The step.
        latents: Its latents.

    Raises:
        JupyterLatentsError: There is no preview of these latents.
    """
    if point.frame is None:
        point.frame = frame(_previews(latents), FRAME_SIDE)
    if point.channels is None:
        point.channels = quantise(latents.tensor[0].float().numpy())


def fill_frames(record: RunRecord, deadline: float, most: int | None = None) -> None:
    """Makes the frames that are missing, evenly over the run, until the deadline; those made before are taken again.

    Args:
        record: The run.
        deadline: Monotonic time after which no more frames are made.
        most: How many are made at most; None for all.
    """
    for stage in record.stages:
        _recall(stage)
    for point, latents in _missing(record)[:most]:
        if time.monotonic() >= deadline:
            return
        try:
            point.frame = frame(_previews(latents), FRAME_SIDE)
            _remember(latents, point.frame)
        except JupyterLatentsError as error:
            record.add_note(f"no preview of the steps: {error.message}", warning=False)
            return


def _previews(latents: Latents) -> list[Any]:
    """Small pictures or clips, one for each item of the batch."""
    found = latents.preview()
    return [found] if latents.moves and latents.shape[0] == 1 else found


def _recall(stage: StageRecord) -> None:
    """Gives a stage's steps the frames that were made of the same latents before, and remembers those it has."""
    kept = _kept(stage)
    for point in stage.points:
        latents = kept.get(point.step)
        if latents is None:
            continue
        if point.frame is None:
            made = _made.get(id(latents.tensor))
            point.frame = made[1] if made is not None and made[0] == _made_of(latents) else None
        else:
            _remember(latents, point.frame)


def _remember(latents: Latents, frame: bytes) -> None:
    """Keeps a frame until the tensor it shows is gone."""
    key = id(latents.tensor)
    if key not in _made:
        weakref.finalize(latents.tensor, _made.pop, key, None).atexit = False
    _made[key] = _made_of(latents), frame


def _made_of(latents: Latents) -> tuple[Any, ...]:
    """What decides how a frame looks: the numbers, which may be changed in place, and whose they are."""
    from jupyter_latents.latents.tensors import checksum

    made = latents.provenance
    return checksum(latents), latents.space, latents.noise, made.model, made.revision, made.options


def _missing(record: RunRecord) -> list[tuple[Point, Latents]]:
    """The steps without a frame whose latents are kept: the stages' ends, those of the film strip, then the rest.

    A stage that was answered from memory keeps to the frames it had.
    """
    strip = [id(point) for point in record.tenths()]
    found: list[tuple[int, Point, Latents]] = []
    for stage in record.stages:
        if stage.kept and any(point.frame is not None for point in stage.points[:-1]):
            continue
        kept = _kept(stage)
        for number, point in enumerate(reversed(stage.points)):
            if point.frame is None and point.step in kept:
                turn = 1 + strip.index(id(point)) % 2 if id(point) in strip else 3 + number % 2
                found.append((turn if number else 0, point, kept[point.step]))
    return [(point, latents) for _, point, latents in sorted(found, key=lambda item: item[0])]


def _kept(stage: StageRecord) -> dict[int, Latents]:
    trajectory = stage.latents.trajectory if stage.latents is not None else ()
    return {latents.position.step: latents for latents in trajectory if latents.position}
