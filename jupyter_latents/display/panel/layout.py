"""The panel's widgets in their places; nothing here knows what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from jupyter_latents.display.words import tip
from jupyter_latents.formats import endings
from jupyter_latents.wording import as_html

from .front import panel_style
from .front.controls import upload
from .front.maker import Maker, with_breaks
from .front.presses import Presses
from .queue import Going

__all__ = ["PanelWidgets", "StageRow", "hue"]

_NOTE = (
    '<span class="dgp-note">The fields, as the text of a <code>%%dgen</code> cell. Type here, or paste a cell, '
    "and apply it.</span>"
)
_BUTTONS = (
    ("new_cell", "New cell", "Put these stages into a cell below"),
    ("dry_run", "Dry run", "Show the plan; nothing runs"),
    ("run", "▶ Run", "Run all stages in the background; behind a run that goes on"),
    ("fix", "", "Go to the next field to fix"),
    ("add", "+ Stage", "Add a stage that goes on from this one's latents"),
    ("more", "⋯", "More to do with stages"),
    ("duplicate", "Duplicate", "Copy this stage"),
    ("up", "← Earlier", "Move this stage before the one before it"),
    ("down", "Later →", "Move this stage behind the next one"),
    ("remove", "Remove", "Take this stage away"),
    ("fill", "Fill stage", "Fill this stage from what made these latents"),
    ("close", "Close panel", "Leave the cell's text in place of the panel; results stay"),
    ("undo", "Undo", "Put back what the fields held before"),
    ("text", "Cell text", "Show the cell that the fields stand for"),
    ("resume", "Resume", "Let the paused run go on"),
    ("stop", "■ Stop", "End the run at the next step; what it has made stays"),
    ("cancel", "Cancel", "Take all runs that wait out of the queue"),
    ("apply", "Apply text", "Fill the fields from the text above"),
    ("discard", "Discard text", "Take the fields' own text back"),
)
_NO_LATENTS = ("choose latents", "")
_HIDDEN = "dgp-hidden"
_SHUT = "dgp-shut"


class StageRow:
    """One of the stages.

    Args:
        chosen: Is called when it is clicked.
        number: Which of the stages it is, 0 for the first.
    """

    def __init__(self, chosen: Callable[[], None], number: int) -> None:
        self.button = Maker()(ipywidgets.Button, f"dgp-do-stage {hue(number)}")  # it goes alone
        self.button.on_click(lambda _: chosen())

    def show(self, text: str, *, selected: bool, fault: str) -> None:
        """Shows a stage.

        Args:
            text: Its name, and below it what it is.
            selected: Whether it is the one in the editor.
            fault: What is wrong with it, or empty; a line each.
        """
        self.button.description = f"⚠ {text}" if fault else text
        self.button.tooltip = fault or ("This stage is shown below" if selected else "Show this stage")
        for name, on in (("dgp-chosen", selected), ("dgp-faulty", bool(fault))):
            (self.button.add_class if on else self.button.remove_class)(name)


class PanelWidgets:
    """All widgets around the editors."""

    def __init__(self) -> None:
        self._make = Maker()
        self.buttons = {name: self._button(name, label, tip) for name, label, tip in _BUTTONS}
        self.summary, self.status, self.text_error = (self._make(ipywidgets.HTML) for _ in range(3))
        self.now, self.later = (self._make(ipywidgets.HTML) for _ in range(2))
        self.stages = self._make.box(ipywidgets.HBox, "dgp-stages")
        text = {"rows": 9, "continuous_update": False, "description": "Script"}
        self.text = self._make(ipywidgets.Textarea, "dgp-code", **text)
        self.editor = self._make.box(ipywidgets.VBox, "dgp-editor")
        self.presses = Presses()
        self.origin = self._make(ipywidgets.Dropdown, description="Copy from", options=[_NO_LATENTS])
        tip = "Fill the panel from what a picture or film says of how it was made; or drop one anywhere on the panel"
        kinds = ",".join(endings("picture") + endings("film"))
        self.picture = upload(self._make, "Open picture", kinds, tip, self._take)
        self._opened: Callable[[str, bytes], None] = lambda _file, _content: None
        self.more = self._bar(
            "dgp-part-more dgp-shut", "duplicate", "up", "down", "remove", self.origin, "fill", self.picture, "close"
        )
        self.text_part = self._text_part()
        self.box = self._make.box(
            ipywidgets.VBox,
            "jl dgp-panel",
            self._make(ipywidgets.HTML, value=f"<style>{panel_style()}</style>", layout={"display": "none"}),
            self._bar("jl-head", self._title(), self.summary, "fix", self._space(), "new_cell", "dry_run", "run"),
            self._bar("dgp-band", self.stages, "add", self._space(), "more"),
            self.more,
            self._bar("dgp-band dgp-status", self.status, "undo"),
            self.editor,
            self._bar(
                "jl-foot dgp-foot", "text", self.now, self._bar("dgp-ends", "resume", "stop"), self.later, "cancel"
            ),
            self.text_part,
            self.presses,
        )
        for name in ("fix", "undo", "resume", "stop", "cancel", "discard"):
            self.let(name, on=False)

    def _text_part(self) -> Any:
        bar = self._bar("", "apply", "discard")
        note, style = self._make(ipywidgets.HTML, value=_NOTE), "dgp-text dgp-part-text dgp-shut"
        return self._make.box(ipywidgets.VBox, style, self.text, self.text_error, note, bar)

    def _bar(self, style: str, *parts: Any) -> Any:
        found = (self.buttons[part] if isinstance(part, str) else part for part in parts)
        return self._make.box(ipywidgets.HBox, f"dgp-bar {style}", *found)

    def _button(self, name: str, label: str, tip: str) -> Any:
        style = "primary" if name == "run" else ""
        look = {"description": label, "tooltip": tip, "button_style": style}
        return self._make(ipywidgets.Button, f"dgp-do-{name} jl-button", **look)

    def _title(self) -> Any:
        return self._make(ipywidgets.HTML, value='<b class="jl-title">Panel</b>')

    def _space(self) -> Any:
        return self._make(ipywidgets.HTML, "jl-space")

    def on_picture(self, opened: Callable[[str, bytes], None]) -> None:
        """Has a picture or film told that was chosen to fill the panel from: its name and its bytes."""
        self._opened = opened

    def _take(self, files: Sequence[Mapping[str, Any]]) -> None:
        if files:
            self.picture.value = ()
            self._opened(str(files[0]["name"]), bytes(files[0]["content"]))

    def let(self, button: str, *, on: bool) -> None:
        """Shows a button where it can do something, and hides it where not."""
        shown = self.buttons[button]
        shown.disabled = not on
        (shown.remove_class if on else shown.add_class)(_HIDDEN)

    def open(self, part: str, *, on: bool | None = None) -> None:
        """Opens or shuts what is folded.

        Args:
            part: ``text`` or ``more``.
            on: Whether it shall be open; None for the other way.
        """
        box = self.text_part if part == "text" else self.more
        on = _SHUT in box._dom_classes if on is None else on  # noqa: SLF001 - ipywidgets has no other way to ask
        (box.remove_class if on else box.add_class)(_SHUT)

    def say_summary(self, text: str, fault: str = "") -> None:
        """Says in the head what the stages come to, and what is wrong with them: that leads to the fields."""
        self.summary.value = f'<span class="jl-status">{as_html(text)}</span>'
        self.buttons["fix"].description = fault
        self.let("fix", on=bool(fault))

    def say_run(self, text: str, tip: str, *, strong: bool) -> None:
        """Says what the button that runs does now.

        Args:
            text: What stands on it.
            tip: Shown when it is pointed at.
            strong: Whether it is what is to be done next.
        """
        run = self.buttons["run"]
        run.description, run.tooltip, run.button_style = text, tip, "primary" if strong else ""

    def say_queue(self, now: Going | None, later: Sequence[str]) -> None:
        """Says at the foot what runs and what waits, each beside the button that ends it.

        Args:
            now: What runs; None for nothing.
            later: What the runs are called that wait.
        """
        self.now.value = _going(now) if now is not None else ""
        names = as_html(", ".join(later))
        self.later.value = (
            f'<div class="jl-status dgp-waits" role="status" title="{names}">waiting: {names}</div>' if later else ""
        )
        self.buttons["stop"].description = f"■ Stop {now.name}" if now is not None else "■ Stop"
        self.buttons["resume"].tooltip = f"Let {now.name} go on" if now is not None else ""
        self.buttons["cancel"].description = f"Cancel {later[0]}" if len(later) == 1 else f"Cancel all {len(later)}"

    def say(self, text: str, *, fault: bool = False) -> None:
        """Says a line to whoever looks or listens.

        Args:
            text: The line; empty for none.
            fault: Whether it tells what is wrong.
        """
        style, role = ("dgp-error", "alert") if fault else ("dgp-note", "status")
        look = f'class="{style}" role="{role}" title="{as_html(tip(text))}"'
        self.status.value = f"<div {look}>{with_breaks(text)}</div>" if text else ""

    def say_text_error(self, text: str) -> None:
        """Says what is wrong with the text, with its line and caret; empty for nothing."""
        said = f'<div class="dgp-error" role="alert"><pre>{as_html(text)}</pre></div>' if text else ""
        self.text_error.value = said
        if text:
            self.open("text", on=True)

    def paint(self, number: int) -> None:
        """Gives the editor the colour of the stage that it shows.

        Args:
            number: Which of the stages that is, 0 for the first.
        """
        for one in range(4):
            (self.editor.add_class if one == number % 4 else self.editor.remove_class)(hue(one))

    def offer_latents(self, names: Sequence[str]) -> None:
        """Renews the list of latents that can fill a stage."""
        wanted = (_NO_LATENTS, *((name, name) for name in names))
        if self.origin.options != wanted:
            chosen = self.origin.value
            self.origin.options = wanted
            self.origin.value = chosen if chosen in names else ""


def _going(now: Going) -> str:
    """What runs, as HTML: its name, how it fares, and a bar."""
    told = ", ".join(filter(None, (now.state, now.at)))
    bar = f'<span class="dgp-share"><span style="width: {100 * now.share:.0f}%"></span></span>' if now.share else ""
    name, title = as_html(now.name), as_html(f"{now.name}: {told}")
    return (
        f'<div class="jl-status dgp-going" data-state="{now.state}" title="{title}"><b>{name}</b>'
        f"<span>{as_html(told)}</span>{bar}</div>"
    )


def hue(number: int) -> str:
    """The class that gives a stage its colour, which it has on the bar of the view, too.

    Args:
        number: Which of the stages it is, 0 for the first.
    """
    return f"jl-hue{number % 4}"
