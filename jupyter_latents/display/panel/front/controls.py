"""The widgets of one field: its control, and what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from jupyter_latents.display.panel.choices import samplers
from jupyter_latents.display.panel.fields import FIELDS, FieldRow
from jupyter_latents.syntax.options.fields import default

from .slides import Slide

__all__ = ["all_of", "boxed", "control", "offer", "sections", "seed_buttons", "slide", "upload"]

_LIST = "choose from all"


def boxed(kind: Any, style: str, *children: Any) -> Any:
    """A box of a class of the style sheet, or of several."""
    box = kind(children)
    for name in style.split():
        box.add_class(name)
    return box


def control(row: FieldRow) -> Any:
    """The control that holds a field's content."""
    common = {"description": row.label, "continuous_update": True}
    if row.kind == "list":
        return ipywidgets.Dropdown(description=row.label, options=samplers(()))
    if row.kind == "range":
        steps = default("num_inference_steps")
        return ipywidgets.IntRangeSlider(value=(0, steps), min=0, max=steps, readout=False, **common)
    if row.kind == "area":
        return ipywidgets.Textarea(placeholder=row.hint, rows=2, **common)
    kind = ipywidgets.Combobox if row.kind == "choice" else ipywidgets.Text
    return kind(placeholder=row.hint, **common)


def all_of(row: FieldRow, chosen: Callable[[str], None]) -> Any:
    """A list of all that a field can be: what is typed there narrows the field's own proposals.

    Args:
        row: The field.
        chosen: Is given what is chosen.
    """
    every = ipywidgets.Dropdown(description=f"{row.label}: {_LIST}", options=[(_LIST, "")], tooltip=_LIST)
    every.add_class("dgp-all")

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


def seed_buttons(roll: Callable[[], None], reuse: Callable[[], None]) -> dict[str, Any]:
    """The buttons beside the seed, by name."""
    made = {}
    for name, icon, tip, work in (
        ("dice", "random", "Another seed at random", roll),
        ("reuse", "recycle", "Use the last result's seed again", reuse),
    ):
        button = made[name] = ipywidgets.Button(icon=icon, tooltip=tip)
        for style in ("jl-button", f"dgp-do-{name}"):
            button.add_class(style)
        button.on_click(lambda _, work=work: work())
    return made


def upload(label: str, kinds: str, tip: str, taken: Callable[[Sequence[Mapping[str, Any]]], None]) -> Any:
    """A button that takes a file.

    Args:
        label: What a screen reader calls it.
        kinds: Endings, with commas between them.
        tip: Shown when it is pointed at.
        taken: Is given the files.
    """
    button = ipywidgets.FileUpload(accept=kinds, multiple=False, description=label, tooltip=tip)
    button.add_class("jl-button")
    button.observe(lambda change: taken(change["new"]), "value")
    return button


def slide(row: FieldRow) -> Slide | None:
    """The slider beside a field, where people slide."""
    return Slide(row.label, row.slide) if row.slide else None


def sections(boxes: Mapping[str, Any]) -> list[Any]:
    """The fields under their headings.

    Args:
        boxes: Each field's box by its name.
    """
    found: dict[str, list[Any]] = {}
    for row in FIELDS:
        found.setdefault(row.section, []).append(boxes[row.name])
    return [_section(title, children) for title, children in found.items()]


def _section(title: str, children: Sequence[Any]) -> Any:
    """The fields of a section; where the first one is called as the section is, its label is the heading."""
    grid = boxed(ipywidgets.Box, "dgp-grid", *children)
    if any(row.label == title for row in FIELDS):
        return boxed(ipywidgets.VBox, "dgp-section dgp-titled", grid)
    return boxed(ipywidgets.VBox, "dgp-section", ipywidgets.HTML(f'<b class="dgp-h">{title}</b>'), grid)
