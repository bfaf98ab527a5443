"""What the live view's buttons do in the kernel: bind a branch, write a file. The answer is a line for the view."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import LatentsError, LatentsFileError
from jupyter_latents.formats import FORMATS

if TYPE_CHECKING:
    from jupyter_latents.display.record import Point, RunRecord, StageRecord
    from jupyter_latents.display.view import RunView
    from jupyter_latents.latents.value import Latents

__all__ = ["branch", "export", "point_at"]

_KINDS = (*(row.ending for row in FORMATS if row.holds == "latents"), "png")


def branch(view: RunView, content: dict[str, Any]) -> str:
    """Binds the latents of a step in the kernel's namespace.

    Args:
        view: The view.
        content: The message; ``point`` is the number of the step over all stages.

    Raises:
        LatentsError: The step is not there yet, or its result has no name.
    """
    stage, point = point_at(view.record, content)
    name, expression = stage.branch(point.step)
    if not name or view.bind is None:
        raise LatentsError("the result has no name to branch from; give it one with --into NAME.")
    view.bind(name, _latents(stage, point))
    return f"{name} is bound ({expression})"


def export(view: RunView, content: dict[str, Any]) -> str:
    """Writes the latents or the picture of a step into the working directory.

    Args:
        view: The view.
        content: The message; ``point`` is the step, ``kind`` the ending, ``picture`` which one of a batch, -1 for all.

    Raises:
        LatentsError: The step is not there yet, or the kind is not known.
        LatentsFileError: The file cannot be written.
    """
    stage, point = point_at(view.record, content)
    kind = content.get("kind")
    if kind not in _KINDS:
        raise LatentsError(f"{kind!r} is no kind of file to export; there are {', '.join(_KINDS)}.")
    stem = (stage.branch(point.step)[0] or f"step_{point.step}").replace("/", "_")
    target = _free(stem, str(kind))
    if kind == "png":
        _write_picture(stage, point, int(content.get("picture", -1)), target)
    else:
        _latents(stage, point).save(target)
    return f"saved {target}"


def point_at(record: RunRecord, content: dict[str, Any]) -> tuple[StageRecord, Point]:
    """The step that a message means.

    Raises:
        LatentsError: There is no such step.
    """
    number = content.get("point")
    points = [(stage, point) for stage in record.stages for point in stage.points]
    if not isinstance(number, int) or not 0 <= number < len(points):
        raise LatentsError("no step is selected.")
    return points[number]


def _latents(stage: StageRecord, point: Point) -> Latents:
    if stage.latents is None:
        raise LatentsError("the steps can be used when the stage has ended; stop it here, or wait.")
    return stage.latents.at(step=point.step) if stage.latents.trajectory else stage.latents


def _write_picture(stage: StageRecord, point: Point, number: int, target: Path) -> None:
    from PIL import Image

    from jupyter_latents.display.images import montage
    from jupyter_latents.latents.files.atomic import write_whole

    if stage.pictures and point is stage.points[-1]:
        picture = stage.pictures[number] if 0 <= number < len(stage.pictures) else montage(stage.pictures)
    elif point.frame is not None:
        picture = Image.open(io.BytesIO(point.frame))
    else:
        raise LatentsFileError("this step has no picture to save; choose one that is shown.")
    content = io.BytesIO()
    picture.save(content, "PNG")
    write_whole(target, content.getvalue())


def _free(stem: str, ending: str) -> Path:
    """A path in the working directory that no file has."""
    target, number = Path(f"{stem}.{ending}"), 1
    while target.exists():
        number += 1
        target = Path(f"{stem}_{number}.{ending}")
    return target
