"""A finished run as one self-contained output: HTML with its own style, script and pictures, a PNG and text."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Any

from jupyter_latents.display import payload, still
from jupyter_latents.display.pictures.images import data_uri, jpeg, montage, png, shrunk
from jupyter_latents.display.records.cells import Cells, cells_of
from jupyter_latents.display.scripts import page_script, page_style, static_file, still_style
from jupyter_latents.display.texts import advice, status, summary
from jupyter_latents.wording import UNSEEN, as_html

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from jupyter_latents.display.records.run_record import RunRecord
    from jupyter_latents.display.records.stage_record import Point, StageRecord

__all__ = ["BUDGETS", "Budget", "last_picture", "run_bundle", "run_html", "script_json"]

_FILM_BYTES = 110_000  # of the clips of a stage at most, before base64
_CELLS = 4  # steps whose cells are told, for each frame that is kept
_TEXT_PART = 10
_MARKS = re.compile(f"[<>&]|{UNSEEN.pattern}")
_PNG_PART = 0.16  # of the bundle's size; base64 makes a quarter of it


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a run the output keeps.

    Attributes:
        frames: Frames at most, evenly over all steps, the first and the last among them.
        side: Longest side of a frame.
        picture: Longest side of a stage's decoded pictures together; 0 for one picture of all.
        channels: Steps at most that keep their channels.
        script: Whether it can be scrubbed; without its script it is a still page.
    """

    frames: int
    side: int
    picture: int
    channels: int
    script: bool = True


BUDGETS = (
    Budget(240, 256, 768, 240),
    Budget(60, 256, 512, 60),
    Budget(60, 192, 512, 24),
    Budget(40, 160, 512, 12),
    Budget(24, 160, 448, 8),
    Budget(16, 128, 384, 4),
    Budget(12, 128, 320, 2),
    Budget(8, 96, 256, 1),
    Budget(4, 64, 128, 0),
    Budget(2, 48, 64, 0),
    Budget(10, 64, 256, 1, script=False),
    Budget(2, 48, 64, 0, script=False),
)

_SWEEP = (
    Budget(60, 192, 768, 8),
    Budget(24, 128, 512, 8),
    Budget(16, 96, 384, 4),
    Budget(12, 96, 256, 2),
    Budget(8, 64, 192, 1),
    Budget(4, 64, 128, 0),
    Budget(2, 48, 96, 0),
    Budget(1, 32, 64, 0),
    Budget(1, 32, 48, 0),
    Budget(1, 32, 48, 0, script=False),
    Budget(1, 32, 32, 0, script=False),
    Budget(1, 32, 0, 0, script=False),
)
"""Where there are many pictures: they come before the frames of steps."""
_MANY = 5
_SMALL = 64


def run_bundle(record: RunRecord, size: int = 300_000, text: str = "") -> dict[str, Any]:
    """The lasting output of a run.

    Args:
        record: The run.
        size: Bytes that the whole bundle may have; frames are thinned and made smaller until it fits.
        text: The same as text; by itself its summary.

    Returns:
        ``text/html``, ``text/plain`` and, where there is a picture, ``image/png`` (base64).
    """
    bundle: dict[str, Any] = {"text/plain": _cut(text or summary(record), size // _TEXT_PART)}
    picture = last_picture(record)
    if picture is not None:
        bundle["image/png"] = base64.b64encode(png(picture, int(size * _PNG_PART))).decode()
    rest = size - sum(len(part.encode()) for part in bundle.values())
    many = sum(bool(stage.pictures) for stage in record.stages) >= _MANY
    cells = cells_of(record)
    for budget in _SWEEP if many else BUDGETS:
        bundle["text/html"] = run_html(record, budget, cells)
        if len(bundle["text/html"].encode()) <= rest:
            break
    return bundle


def _cut(text: str, most: int) -> str:
    """A text of at most so many bytes, whole lines of it."""
    lines = text.splitlines()
    while len("\n".join(lines).encode()) > most and len(lines) > 1:
        lines = [*lines[: len(lines) * 2 // 3], "\u2026"] if len(lines) > 2 else lines[:1]
    return "\n".join(lines)


def last_picture(record: RunRecord) -> Image | None:
    """The newest decoded picture (several as a montage), else the newest frame."""
    from PIL import Image

    for stage in reversed(record.stages):
        if stage.pictures:
            return montage(stage.pictures)
        framed = [point.frame for point in stage.points if point.frame is not None]
        if framed:
            return Image.open(io.BytesIO(framed[-1]))
    return None


def script_json(data: Any) -> str:
    """JSON that stands safely inside a ``<script>`` element, with no character in it that cannot be seen."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return _MARKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def run_html(record: RunRecord, budget: Budget, cells: Cells | None = None) -> str:
    """The run as HTML that needs neither kernel nor network, and shows its pictures without scripts too.

    Args:
        record: The run.
        budget: How much of it to keep.
        cells: The cells that lead to what it shows; None for those of the record.
    """
    data = payload.head(record)
    data["cells"] = (cells_of(record) if cells is None else cells).payload(_CELLS * budget.frames)
    data["points"] = _points(record, budget)
    for stage, described in zip(record.stages, data["stages"], strict=False):
        described["pictures"], described["made"] = _pictures(stage, budget.picture)
    key = _key(data)
    parts = {
        "key": key,
        "title": as_html(record.title),
        "state": "" if record.still else record.state,
        "status": as_html(status(record)),
        "next": f'<div class="jl-next">{as_html(advice(record))}</div>' if advice(record) else "",
        "bar": still.bar(data["stages"]),
        "legend": still.legend(data["stages"]),
        "picture": still.picture(data) if budget.picture else _all(record),
        "grid": still.grid(data),
        "strip": still.strip(data),
        "facts": still.facts(data),
        "tiles": still.tiles(record),
        "line": as_html(still.line(record)),
        "notes": still.notes(record),
        "scripts": _scripts(data, key) if budget.script else "",
    }
    page = Template(static_file("static.html"))
    style = page_style() if budget.script else still_style(page.substitute(parts, style=""))
    return page.substitute(parts, style=style)


def _key(data: dict[str, Any]) -> str:
    """Tells the elements of an output from others of a page; that of the same run is the same, however long it took."""
    lasting = [data["title"], data["stages"], data["points"], page_script("")]
    return hashlib.sha256(script_json(lasting).encode()).hexdigest()[:12]


def _scripts(data: dict[str, Any], key: str) -> str:
    """What makes a page of the pictures that can be scrubbed."""
    page = f"<script>(() => {{\n{page_script(key)}\n}})();</script>"
    return f'<script type="application/json" class="jl-data">{script_json(data)}</script>\n{page}'


def _points(record: RunRecord, budget: Budget) -> list[dict[str, Any]]:
    framed = _chosen(record, budget.frames, lambda point: point.frame is not None)
    told = _chosen(record, budget.channels, lambda point: point.channels is not None)
    found = []
    for index, stage in enumerate(record.stages):
        for point in stage.points:
            data = payload.point_data(index, stage, point)
            if id(point) in framed and point.frame is not None:
                data["f"] = data_uri(_resized(point.frame, budget.side))
            if id(point) in told and point.channels is not None:
                data["v"] = point.channels.embedded()
            found.append(data)
    return found


def _chosen(record: RunRecord, count: int, has: Callable[[Point], bool]) -> set[int]:
    """The ids of at most `count` steps that have something: ends of stages, then of tenths, then the rest evenly."""
    every = [point for stage in record.stages for point in stage.points]
    ends = [found[-1] for stage in record.stages if (found := [*filter(has, stage.points)])]
    chosen: dict[int, Point] = {}
    for some in (ends, [*filter(has, every[:1]), *record.tenths(has)], [*filter(has, every)]):
        fresh = {id(point): point for point in some if id(point) not in chosen}
        chosen.update((id(point), point) for point in still.thinned([*fresh.values()], count - len(chosen)))
    return {*chosen}


def _pictures(stage: StageRecord, side: int) -> tuple[list[str], str]:
    """A stage's pictures, and where they are smaller than they were made: how much."""
    if not side:
        return [], ""
    share = max(min(side, 64), round(side / max(1, len(stage.pictures)) ** 0.5))
    if stage.clips:
        films = [clip.animation(share, _FILM_BYTES * side // 768 // len(stage.clips)) for clip in stage.clips]
        return [data_uri(film) for film in films], ""
    small = [shrunk(picture, share) for picture in stage.pictures]
    sizes = [(one.size, picture.size) for one, picture in zip(small, stage.pictures, strict=True) if one is not picture]
    made = ", {} × {} of {} × {}".format(*sizes[0][0], *sizes[0][1]) if sizes else ""
    return [_encoded(picture) for picture in small], made


def _encoded(picture: Image) -> str:
    """A picture inside the page; of a small one JPEG's head would be the larger part."""
    if max(picture.size) > _SMALL:
        return data_uri(jpeg(picture))
    content = io.BytesIO()
    picture.convert("RGB").save(content, "WEBP", quality=80)
    return data_uri(content.getvalue(), "webp")


def _all(record: RunRecord) -> str:
    """One small picture of all results."""
    sheet = montage([shrunk(picture, _SMALL) for stage in record.stages for picture in stage.pictures])
    return f'<img class="jl-large" alt="{as_html(record.title)}, the pictures" src="{data_uri(jpeg(sheet, 128, 60))}">'


def _resized(frame: bytes, side: int) -> bytes:
    from PIL import Image, ImageSequence

    from jupyter_latents.latents.clip import Clip

    picture = Image.open(io.BytesIO(frame))
    if max(picture.size) <= side:
        return frame
    if not getattr(picture, "is_animated", False):
        return jpeg(picture, side)
    moments = [moment.copy() for moment in ImageSequence.Iterator(picture)]  # loaded, which tells the duration
    return Clip(moments, 1000 / picture.info.get("duration", 250)).animation(side)
