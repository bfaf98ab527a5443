"""The widgets of one field: its control, and what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from jupyter_latents.display.panel.choices import samplers
from jupyter_latents.display.panel.fields import FIELDS, FieldRow
from jupyter_latents.syntax.options.fields import default

from .maker import Maker
from .slides import Slide

__all__ = ["all_of", "control", "offer", "sections", "seed_buttons", "slide", "upload"]

_LIST = "choose from all"


def control(make: Maker, row: FieldRow) -> Any:
    """The control that holds a field's content."""
    common: dict[str, Any] = {"description": row.label, "continuous_update": True}
    if row.kind == "list":
        return make(ipywidgets.Dropdown, description=row.label, options=samplers(()))
    if row.kind == "range":
        steps = default("num_inference_steps")
        return make(ipywidgets.IntRangeSlider, value=(0, steps), min=0, max=steps, readout=False, **common)
    if row.kind == "area":
        return make(ipywidgets.Textarea, placeholder=row.hint, rows=2, **common)
    kind = ipywidgets.Combobox if row.kind == "choice" else ipywidgets.Text
    return make(kind, placeholder=row.hint, **common)


def all_of(make: Maker, row: FieldRow, chosen: Callable[[str], None]) -> Any:
    """A list of all that a field can be: what is typed there narrows the field's own proposals.

    Args:
        make: Makes widgets.
        row: The field.
        chosen: Is given what is chosen.
    """
    label, options = f"{row.label}: {_LIST}", [(_LIST, "")]
    every = make(ipywidgets.Dropdown, "dgp-all", description=label, options=options, tooltip=_LIST)

    def take(value: str | None) -> None:
        if value:
            every.value = ""
            chosen(value)

    every.observe(lambda change: take(change["new"]), "value")
    return every


def offer(every: Any, values: Sequence[str]) -> None:
    """Renews what such a list holds."""
    wanted = ((_LIST, ""), *((value, value) for value in values))
    if every.options != wanted:
        every.options = wanted
        every.value = ""


def seed_buttons(make: Maker, roll: Callable[[], None], reuse: Callable[[], None]) -> dict[str, Any]:
    """The buttons beside the seed, by name."""
    made = {}
    for name, icon, tip, work in (
        ("dice", "random", "Another seed at random", roll),
        ("reuse", "recycle", "Use the last result's seed again", reuse),
    ):
        button = made[name] = make(ipywidgets.Button, f"jl-button dgp-do-{name}", icon=icon, tooltip=tip)
        button.on_click(lambda _, work=work: work())
    return made


def upload(make: Maker, label: str, kinds: str, tip: str, taken: Callable[[Sequence[Mapping[str, Any]]], None]) -> Any:
    """A button that takes a file.

    Args:
        make: Makes widgets.
        label: What a screen reader calls it.
        kinds: Endings, with commas between them.
        tip: Shown when it is pointed at.
        taken: Is given the files.
    """
    text = {"description": label, "tooltip": tip}
    button = make(ipywidgets.FileUpload, "jl-button", accept=kinds, multiple=False, **text)
    button.observe(lambda change: taken(change["new"]), "value")
    return button


def slide(make: Maker, row: FieldRow) -> Slide | None:
    """The slider beside a field, where people slide."""
    return make(Slide, "dgp-slide", name=row.label, slide=row.slide) if row.slide else None


def sections(make: Maker, boxes: Mapping[str, Any]) -> list[Any]:
    """The fields under their headings.

    Args:
        make: Makes widgets.
        boxes: Each field's box by its name.
    """
    found: dict[str, list[Any]] = {}
    for row in FIELDS:
        found.setdefault(row.section, []).append(boxes[row.name])
    return [_section(make, title, children) for title, children in found.items()]


def _section(make: Maker, title: str, children: Sequence[Any]) -> Any:
    grid = make.box(ipywidgets.Box, "dgp-grid", *children)
    heading = make(ipywidgets.HTML, value=f'<b class="dgp-h">{title}</b>')
    return make.box(ipywidgets.VBox, "dgp-section", heading, grid)
