"""The panel's widgets in their places; nothing here knows what they do."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Any

import ipywidgets

from .presses import Presses

__all__ = ["PanelWidgets", "StageRow", "close_all"]

_NOTE = (
    '<span class="dgp-note">This is the same as a cell: select all, copy, and paste it under <code>%%dgen</code>. '
    "Or paste the text of a cell here and apply it.</span>"
)
_BUTTONS = (
    ("add", "+ Stage", "Add a stage that goes on from this one's latents"),
    ("duplicate", "Duplicate", "Copy this stage"),
    ("up", "↑", "Move this stage up"),
    ("down", "↓", "Move this stage down"),
    ("remove", "Remove", "Take this stage away"),
    ("run", "▶ Run", "Run all stages in the background"),
    ("stop", "■ Stop", "End the run at the next step; what it has made stays"),
    ("dry_run", "Dry run", "Show the plan; nothing runs"),
    ("close", "Close", "Leave the cell's text in place of the panel; results stay"),
    ("apply", "Apply text", "Fill the fields from the text above"),
    ("fill", "Fill stage", "Fill the chosen stage from what made these latents"),
)


class StageRow:
    """One line of the list of stages.

    Args:
        chosen: Is called when it is clicked.
    """

    def __init__(self, chosen: Callable[[], None]) -> None:
        self.button = ipywidgets.Button(tooltip="Show this stage")
        self.button.add_class("dgp-do-stage")
        self.button.on_click(lambda _: chosen())

    def show(self, text: str, *, selected: bool, fault: str) -> None:
        """Shows a stage in one line.

        Args:
            text: Its line.
            selected: Whether it is the one in the editor.
            fault: What is wrong with it, or empty.
        """
        self.button.description = f"⚠ {text}" if fault else text
        self.button.tooltip = fault or ("This stage is shown below" if selected else "Show this stage")
        for name, on in (("dgp-chosen", selected), ("dgp-faulty", bool(fault))):
            (self.button.add_class if on else self.button.remove_class)(name)


class PanelWidgets:
    """All widgets around the editors."""

    def __init__(self) -> None:
        self.buttons = {name: ipywidgets.Button(description=label, tooltip=tip) for name, label, tip in _BUTTONS}
        for name, button in self.buttons.items():
            button.add_class(f"dgp-do-{name}")
        self.buttons["run"].button_style = "primary"
        self.stages = _boxed(ipywidgets.VBox, "dgp-stages")
        self.status = ipywidgets.HTML()
        self.text = ipywidgets.Textarea(rows=9, continuous_update=False, description="Script")
        self.text.add_class("dgp-code")
        self.text_error = ipywidgets.HTML()
        self.editor = _boxed(ipywidgets.VBox, "dgp-editor")
        self.presses = Presses()
        self.origin = ipywidgets.Dropdown(description="Latents", options=[("choose", "")])
        self.box = _boxed(
            ipywidgets.VBox,
            "dgp-panel",
            ipywidgets.HTML(f"<style>{_style()}</style>", layout={"display": "none"}),
            self.stages,
            self._bar("add", "duplicate", "up", "down", "remove"),
            self.editor,
            self._bar("run", "stop", "dry_run", "close"),
            self.status,
            self._text_part(),
            self.presses,
        )

    def _text_part(self) -> Any:
        apply = self._bar("apply")
        fill = _boxed(ipywidgets.HBox, "dgp-bar", self.origin, self.buttons["fill"])
        note = ipywidgets.HTML(_NOTE)
        return _boxed(ipywidgets.VBox, "dgp-text", self.text, self.text_error, note, apply, fill)

    def _bar(self, *names: str) -> Any:
        return _boxed(ipywidgets.HBox, "dgp-bar", *(self.buttons[name] for name in names))

    def say(self, text: str, *, fault: bool = False) -> None:
        """Says a line to whoever looks or listens.

        Args:
            text: The line; empty for none.
            fault: Whether it tells what is wrong.
        """
        style, role = ("dgp-error", "alert") if fault else ("dgp-note", "status")
        self.status.value = f'<div class="{style}" role="{role}">{html.escape(text)}</div>' if text else ""

    def say_text_error(self, text: str) -> None:
        """Says what is wrong with the text, with its line and caret; empty for nothing."""
        said = f'<div class="dgp-error" role="alert"><pre>{html.escape(text)}</pre></div>' if text else ""
        self.text_error.value = said

    def offer_latents(self, names: Sequence[str]) -> None:
        """Renews the list of latents that can fill a stage."""
        wanted = (("choose", ""), *((name, name) for name in names))
        if self.origin.options != wanted:
            chosen = self.origin.value
            self.origin.options = wanted
            self.origin.value = chosen if chosen in names else ""


def close_all(widget: Any) -> None:
    """Closes a widget with all that is in it and all that belongs to it; ipywidgets would keep them for ever."""
    for child in getattr(widget, "children", ()):
        close_all(child)
    for part in ("layout", "style"):
        if getattr(widget, part, None) is not None:
            getattr(widget, part).close()
    widget.close()


@cache
def _style() -> str:
    return resources.files(__package__).joinpath("static", "panel.css").read_text(encoding="utf-8")


def _boxed(kind: Any, style: str, *children: Any) -> Any:
    box = kind(children)
    box.add_class(style)
    return box
