"""What changes all stages of a panel at once, and can be undone; and what takes them all elsewhere, into a cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .changes import Changes
from .layout import PanelWidgets
from .model import PanelModel
from .script_field import ScriptField

__all__ = ["Say", "Whole"]


class Say(Protocol):
    """Says a line."""

    def __call__(self, text: str, *, fault: bool = False) -> None:
        """Says it, as a fault or not."""


class Whole:
    """The stages as one.

    Args:
        model: The stages.
        widgets: The panel's.
        field: The script's field.
        changes: Reads pictures.
        say: Says a line.
    """

    def __init__(
        self, model: PanelModel, widgets: PanelWidgets, field: ScriptField, changes: Changes, say: Say
    ) -> None:
        self._model, self._widgets, self._field, self._changes, self._say = model, widgets, field, changes, say
        self._before: PanelModel | None = None

    @property
    def can_undo(self) -> bool:
        """Whether there is something to put back."""
        return self._before is not None

    def keep(self) -> None:
        """Keeps the stages as they are, for `undo`."""
        self._before = self._model.copied()

    def replace(self, work: Callable[[], None]) -> None:
        """Does something that replaces more than a field, and can be undone.

        Args:
            work: Does it; where it raises there is nothing to undo.
        """
        before = self._model.copied()
        work()
        self._before = before

    def undo(self) -> None:
        """Puts the stages back that were there before; a second time puts these back."""
        if self._before is not None:
            before, self._before = self._before, self._model.copied()
            self._model.put(before.forms, before.selected)

    def discard(self) -> None:
        """Takes back what was typed as a script."""
        self._field.discard()
        self._say("")

    def open_picture(self, file: str, content: bytes) -> None:
        """Fills the stages from what a picture or film says of how it was made.

        Args:
            file: Its name.
            content: Its bytes.

        Raises:
            LatentsError: A film, and there is no codec here.
            NameNotFoundError: It is neither, or says nothing.
        """
        cell = self._changes.open_picture(file, content)
        remarks = [line.removeprefix("#").strip() for line in cell.splitlines() if line.startswith("#")]
        if not [line for line in cell.splitlines()[1:] if line.strip() and not line.startswith("#")]:
            self._say(" · ".join([f"{file} leads back to no stage", *remarks]), fault=True)
            return
        self._field.put(cell)
        if self._field.read(self.keep) is not None:
            self._say(f"The fields cannot show all of {file}; New cell writes its text below.", fault=True)
            return
        self._say(" · ".join([f"the stages are those of {file}", *remarks]))

    def write_cell(self, answered: Callable[[bool], None]) -> None:
        """Asks the page to put the stages, or what was typed in place of them, into a cell below.

        Args:
            answered: Is told whether it could.
        """
        text = self._field.left
        if not text:
            self._say("There is nothing to write; choose a model.", fault=True)
            return
        whole = text if text.startswith("%%dgen") else f"%%dgen\n{text}"
        self._widgets.presses.insert_cell(whole, self._widgets.box.model_id, answered)

    def wrote_cell(self, done: bool) -> None:
        """Says what became of the cell; where the front end takes none, its text is there to be copied."""
        if done:
            self._say("a cell below holds these stages")
            return
        self._widgets.open("text", on=True)
        self._say("This front end takes no cells from here; copy the cell text below, under %%dgen.")
