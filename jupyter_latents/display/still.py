"""The parts of a static output that show without its script. The script takes the pictures over by their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_latents.display.pictures.images import data_uri
from jupyter_latents.wording import as_html

if TYPE_CHECKING:
    from jupyter_latents.display.records.run_record import RunRecord

__all__ = ["bar", "facts", "grid", "legend", "line", "notes", "picture", "strip", "thinned", "tiles"]

_STRIP = 10
_SHOWN = 320
_FEW = 8  # stages that are told apart on the bar
T = TypeVar("T")


def thinned(items: Sequence[T], count: int) -> list[T]:
    """At most `count` items, evenly spread, the first and the last among them (the last alone where one is allowed)."""
    if len(items) <= count:
        return list(items)
    if count <= 1:
        return list(items[len(items) - count :])
    last = len(items) - 1
    return [items[round(number * last / (count - 1))] for number in range(count)]


def bar(stages: Sequence[dict[str, Any]]) -> str:
    """The bar's segments; of many stages, such as those of a sweep, one."""
    if len(stages) > _FEW:
        return '<div class="jl-segment jl-hue0"><div class="jl-done" style="width:100%"></div></div>'
    return "".join(
        f'<div class="jl-segment jl-hue{index % 4}" style="flex-grow:{stage["steps"]}">{_switches(stage)}</div>'
        for index, stage in enumerate(stages)
    )


def _switches(stage: dict[str, Any]) -> str:
    """A notch where what steers a stage changes."""
    return "".join(
        f'<div class="jl-switch" style="left:{(step - stage["start"]) / stage["steps"] * 100:.4g}%" '
        f'title="changes after step {step}"></div>'
        for step in stage.get("switches", [])
    )


def legend(stages: Sequence[dict[str, Any]]) -> str:
    """What each stage ran, after the noise level at which it began; of many their number."""
    if len(stages) > _FEW:
        return f'<div class="jl-names">{len(stages)} stages</div>'
    parts = []
    for index, stage in enumerate(stages):
        level = f", from σ {as_html(stage['sigma'])}" if stage["sigma"] else ""
        parts.append(f'<span class="jl-name jl-hue{index % 4}">{as_html(stage["where"])}{level}</span>')
    return f'<div class="jl-names">{" ".join(parts)}</div>'


def picture(data: dict[str, Any]) -> str:
    """The newest pictures, taken out of `data`; a frame where nothing was decoded, nothing beside a grid of them."""
    if any(_cells(data, sweep["group"]) for sweep in data["sweeps"]):
        return ""
    for number in reversed(range(len(data["stages"]))):
        pictures = data["stages"][number].get("pictures") or []
        if pictures:
            data["stages"][number]["pictures"] = [None] * len(pictures)
            side = round(_SHOWN / len(pictures) ** 0.5)
            return "".join(
                f'<img class="jl-large" width="{side}" alt="{as_html(data["title"])}, the picture" '
                f'data-stage="{number}" data-picture="{place}" src="{source}">'
                for place, source in enumerate(pictures)
            )
    framed = [index for index, point in enumerate(data["points"]) if "f" in point]
    return _frame(data, framed[-1], "jl-large", _SHOWN) if framed else ""


def grid(data: dict[str, Any]) -> str:
    """The pictures of the last sweep as tables between the values of its options, taken out of `data`."""
    sweeps = [sweep for sweep in data["sweeps"] if _cells(data, sweep["group"])]
    if not sweeps:
        return ""
    sweep = sweeps[-1]
    cells = _cells(data, sweep["group"])
    parts = []
    for tab, title in enumerate(sweep["tabs"]):
        names = "&emsp;".join(
            f"{as_html(sweep[side]['name'])} {mark}" for side, mark in (("rows", "\u2193"), ("columns", "\u2192"))
            if sweep[side]["name"]
        )  # fmt: skip
        head = "".join(f'<th scope="col">{as_html(value)}</th>' for value in sweep["columns"]["values"])
        rows = "".join(
            f'<tr><th scope="row">{as_html(value)}</th>'
            + "".join(f"<td>{_cell(data, cells.get((tab, row, at)))}</td>" for at in range(_wide(sweep, cells)))
            + "</tr>"
            for row, value in enumerate(sweep["rows"]["values"])
        )
        parts.append(f'<div class="jl-axisname">{as_html(title)}</div>' if title else "")
        parts.append(f'<table class="jl-lattice"><tr><th class="jl-corner">{names}</th>{head}</tr>{rows}</table>')
    return f'<div class="jl-sweep"><div class="jl-scroll">{"".join(parts)}</div></div>'


def _cells(data: dict[str, Any], group: int) -> dict[tuple[int, int, int], int]:
    """The stages of a sweep that have pictures, by their places; those without a place stand side by side."""
    stages = [(index, stage) for index, stage in enumerate(data["stages"]) if stage["group"] == group]
    placed = len({tuple(stage["place"]) for _, stage in stages}) == len(stages)
    return {
        (tuple(stage["place"]) if placed else (0, 0, number)): index
        for number, (index, stage) in enumerate(stages)
        if stage.get("pictures")
    }


def _wide(sweep: dict[str, Any], cells: dict[tuple[int, int, int], int]) -> int:
    return max(len(sweep["columns"]["values"]), *(column + 1 for _, _, column in cells))


def _cell(data: dict[str, Any], index: int | None) -> str:
    if index is None:
        return ""
    stage = data["stages"][index]
    source, stage["pictures"][0] = stage["pictures"][0], None
    return f'<img width="86" alt="{as_html(stage["label"])}" data-stage="{index}" data-picture="0" src="{source}">'


def strip(data: dict[str, Any]) -> str:
    """Ten frames, taken out of `data`: the ends of the stages, and others evenly between them."""
    framed = {index: point["g"] for index, point in enumerate(data["points"]) if "f" in point}
    ends = thinned(sorted({stage: index for index, stage in framed.items()}.values()), _STRIP)
    others = [index for index in framed if index not in ends]
    chosen = sorted([*ends, *thinned(others, _STRIP - len(ends))])
    return "".join(_frame(data, index, "jl-thumb", 64) for index in chosen)


def facts(data: dict[str, Any]) -> str:
    """The rows of the last stage's facts."""
    stages = [stage for stage in data["stages"] if not stage.get("coming")]
    if not stages:
        return ""
    rows = list(stages[-1]["facts"])
    points = [point for point in data["points"] if point["g"] == len(stages) - 1]
    if points and not stages[-1]["bare"]:
        rows.insert(1, ["noise", points[-1]["n"]])
    return "".join(f'<tr><th scope="row">{as_html(name)}</th><td>{as_html(text)}</td></tr>' for name, text in rows)


def tiles(record: RunRecord) -> str:
    """The channels of the last step that has them."""
    channels = [point.channels for stage in record.stages for point in stage.points if point.channels is not None]
    if not channels:
        return ""
    source = data_uri(channels[-1].tiles(), "png")
    picture = f'<img class="jl-tiles-still" width="254" alt="the channels of the latents" src="{source}">'
    return f'{picture}<div class="jl-values">channels</div>'


def line(record: RunRecord) -> str:
    """A line to branch with, two thirds into the first stage with a name."""
    for stage in record.stages:
        if stage.name and stage.points:
            name, expression = stage.branch(stage.points[len(stage.points) * 2 // 3].step)
            return f"{name} = {expression}"
    return ""


def notes(record: RunRecord) -> str:
    """The notes, folded."""
    if not record.notes:
        return ""
    items = "".join(
        f'<li class="{"jl-warning" if note.warning else "jl-plain"}">{as_html(note.text)}</li>' for note in record.notes
    )
    count = f"{len(record.notes)} note{'s' if len(record.notes) > 1 else ''}"
    return f'<details class="jl-notes"><summary>{count}</summary><ul>{items}</ul></details>'


def _frame(data: dict[str, Any], index: int, style: str, side: int) -> str:
    point = data["points"][index]
    source = point.pop("f")
    return f'<img class="{style}" width="{side}" alt="{as_html(point["n"])}" data-point="{index}" src="{source}">'
