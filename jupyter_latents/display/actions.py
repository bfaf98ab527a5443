"""What the live view asks of the kernel: bind a branch, write a file, show a step. The answer is a line for the view.

Messages may hold anything: each part is looked at before it is used.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.pictures.images import jpeg
from jupyter_latents.display.records.cells import cell_of_point, cell_of_sweep
from jupyter_latents.display.records.fill import fill_point
from jupyter_latents.errors import JupyterLatentsError, LatentsError
from jupyter_latents.formats import FORMATS
from jupyter_latents.latents.arguments import shown
from jupyter_latents.paths import is_there
from jupyter_latents.pictures.metadata.texts import picture_bytes
from jupyter_latents.stage import label_of

if TYPE_CHECKING:
    from jupyter_latents.display.records.run_record import RunRecord
    from jupyter_latents.display.records.stage_record import Point, StageRecord
    from jupyter_latents.display.view import RunView

__all__ = ["answer", "cell_asked", "point_at", "whole_picture"]

_KINDS = (*(row.ending for row in FORMATS if row.holds == "latents"), "png")
_FAILURES = (JupyterLatentsError, OSError, RuntimeError, ValueError)  # none of them may end the run that is shown


def answer(view: RunView, content: dict[str, Any]) -> str | None:
    """Does what a message asks for.

    Args:
        view: The view.
        content: The message; ``cmd`` is ``branch``, ``export``, ``sheet`` or ``picture``.

    Returns:
        What there is to say, or why it could not be done; None for nothing.
    """
    acts = {"branch": _branch, "export": _export, "sheet": _sheet, "picture": _picture}
    act = acts.get(str(content.get("cmd")))
    try:
        return act(view, content) if act is not None else None
    except _FAILURES as error:
        return str(error) or type(error).__name__


def _branch(view: RunView, content: dict[str, Any]) -> str:
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
    view.bind(name, stage.latents_at(point))
    return f"{name} is bound ({expression})" if stage.latents is not None else f"{name} is bound"


def _export(view: RunView, content: dict[str, Any]) -> str:
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
        raise LatentsError(f"{shown(kind)} is no kind of file to export; there are {', '.join(_KINDS)}.")
    stem = (stage.branch(point.step)[0] or f"step_{point.step}").replace("/", "_")
    target = _free(stem, str(kind))
    if kind == "png":
        return f"saved {target}{_write_picture(stage, point, _number(content), target)}"
    stage.latents_at(point).save(target)
    return f"saved {target}"


def _picture(view: RunView, content: dict[str, Any]) -> None:
    """Makes the frame of a step that had no time for one.

    Args:
        view: The view.
        content: The message; ``point`` is the step.

    Raises:
        JupyterLatentsError: The step is not there, or there is no preview of it.
    """
    stage, point = point_at(view.record, content)
    fill_point(point, stage.latents_at(point))


def cell_asked(view: RunView, content: dict[str, Any]) -> dict[str, Any]:
    """The cell that a message asks for, or why there is none, as a message to the view.

    Args:
        view: The view.
        content: The message; ``whole`` for the cell of all pictures of a sweep, else ``point`` is the step;
            ``new`` to put it into the notebook.
    """
    try:
        cell = cell_of_sweep(view.record) if content.get("whole") is True else ""
        cell = cell or cell_of_point(*point_at(view.record, content))
    except _FAILURES as error:
        return {"said": str(error) or type(error).__name__}
    if not cell:
        return {"said": "nobody knows what made these latents; they come from elsewhere"}
    return {"cell": cell.rstrip("\n"), "new": content.get("new") is True}


def _sheet(view: RunView, _content: dict[str, Any]) -> str:
    """Writes the contact sheet of the last sweep into the working directory.

    Raises:
        LatentsError: There is no sweep.
        LatentsFileError: The file cannot be written.
    """
    from jupyter_latents.latents.sequence import LatentsSequence

    made = [(one.stage.sweep, one.latents) for one in view.record.swept]
    choices = tuple(sweep.choice for sweep, latents in made if sweep is not None and latents is not None)
    latents = tuple(one for _, one in made if one is not None)
    if len(latents) < 2:
        raise LatentsError("no options took several values, so that there is no sheet of them.")
    several = LatentsSequence(latents, tuple(map(label_of, choices)), choices)
    target = _free(view.record.swept[0].name or "sheet", "png")
    return f"saved {several.grid().save(target)}"


def whole_picture(view: RunView, content: dict[str, Any]) -> bytes | None:
    """The decoded picture that a message means, in its full size as JPEG; None where there is none.

    Args:
        view: The view.
        content: The message; ``point`` is the step, ``picture`` which one of a batch.
    """
    try:
        stage, point = point_at(view.record, content)
        number = max(0, _number(content))
    except LatentsError:
        return None
    decoded = point is stage.points[-1] and number < len(stage.pictures)
    return jpeg(stage.pictures[number], quality=92) if decoded else None


def point_at(record: RunRecord, content: dict[str, Any]) -> tuple[StageRecord, Point]:
    """The step that a message means.

    Raises:
        LatentsError: There is no such step.
    """
    number = content.get("point")
    points = [(stage, point) for stage in record.stages for point in stage.points]
    if type(number) is not int or not 0 <= number < len(points):
        raise LatentsError(f"no step is selected: point is {shown(number)}; there are {len(points)} steps.")
    return points[number]


def _number(content: dict[str, Any]) -> int:
    """Which picture of a batch a message means, -1 for all.

    Raises:
        LatentsError: It says no whole number.
    """
    number = content.get("picture", -1)
    if type(number) is not int:
        raise LatentsError(f"picture is {shown(number)}; it is the number of a picture of the batch, or -1 for all.")
    return number


def _write_picture(stage: StageRecord, point: Point, number: int, target: Path) -> str:
    """Writes the picture of a step; returns what to say of it where it is not the decoded one."""
    from PIL import Image

    from jupyter_latents.display.pictures.images import montage
    from jupyter_latents.latents.files.atomic import write_whole
    from jupyter_latents.latents.services import texts

    decoded = bool(stage.pictures) and point is stage.points[-1]
    if decoded:
        picture = stage.pictures[number] if 0 <= number < len(stage.pictures) else montage(stage.pictures)
    else:
        fill_point(point, stage.latents_at(point))
        picture = Image.open(io.BytesIO(point.frame or b""))
    known = stage.latents is not None or point.look is not None
    said = texts(stage.latents_at(point), max(0, number)) if known else {}
    write_whole(target, picture_bytes(picture, "PNG", said))
    return "" if decoded else f": the preview of this step, {picture.width} × {picture.height} pixels"


def _free(stem: str, ending: str) -> Path:
    """A path in the working directory that no file has."""
    target, number = Path(f"{stem}.{ending}"), 1
    while is_there(target):
        number += 1
        target = Path(f"{stem}_{number}.{ending}")
    return target
