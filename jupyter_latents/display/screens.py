"""Where a view appears: a notebook's live widget, one plain output in a program's kernel, or a terminal's lines."""

from __future__ import annotations

import shutil
import sys
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_latents.display.publishing import Publisher, publish, shell
from jupyter_latents.display.texts import advice, progress_line, status, summary

if TYPE_CHECKING:
    from jupyter_latents.display.view import RunView

__all__ = ["OutputScreen", "Screen", "TerminalScreen", "publish", "shell"]


class Screen(Protocol):
    """Shows a view; the methods are called one at a time."""

    shares: bool
    """Whether others can show the same view beside it."""
    pictures: bool
    """Whether it shows pictures: where no screen does, none are made."""
    live: bool
    """Whether somebody looks while the run goes on."""

    @property
    def open(self) -> bool:
        """Whether updates are still of use."""

    def show(self) -> None:
        """Shows it for the first time."""

    def update(self) -> None:
        """Shows what is new; returns quickly."""

    def finish(self) -> None:
        """Leaves the lasting form."""


class OutputScreen:
    """One output, replaced when the run ends.

    Args:
        view: What it shows.
        display_id: The output to replace; a new one by default.
        updates: Whether the front end replaces outputs; where it does not, the lasting form is one more.
    """

    shares = True
    pictures = True
    live = False

    def __init__(self, view: RunView, display_id: str | None = None, *, updates: bool = True) -> None:
        self.view = view
        self.display_id = display_id or uuid.uuid4().hex
        self._replaces = display_id is not None
        self._updates = updates
        self._publisher = Publisher()

    @property
    def open(self) -> bool:
        """See `Screen.open`."""
        return False

    def show(self) -> None:
        """See `Screen.show`."""
        ended = self.view.record.ended is not None
        self._publish(self.bundle() if ended else {"text/plain": self.line()}, update=self._replaces)

    def line(self) -> str:
        """The run in one line of plain text, which stays true in a notebook that is saved before its end."""
        return f"{self.view.record.title or 'run'}: started"

    def _publish(self, bundle: dict[str, Any], *, update: bool) -> None:
        publish(bundle, self.display_id, update=update and self._updates, by=self._publisher)

    def update(self) -> None:
        """Nothing: what is not looked at is not sent."""

    def finish(self) -> None:
        """See `Screen.finish`; a console shows the picture of an output or its text, so that each is one here."""
        bundle = self.bundle()
        if not self._updates and "image/png" in bundle:
            publish({"text/plain": bundle["text/plain"]}, uuid.uuid4().hex, by=self._publisher)
            bundle["text/plain"] = f"{self.view.record.title}: a picture"
        self._publish(bundle, update=True)

    def bundle(self) -> dict[str, Any]:
        """The lasting output; of a run that ended before its first step there is nothing to look at but its words."""
        record = self.view.record
        if record.state in ("failed", "stopped") and not any(stage.points or stage.pictures for stage in record.stages):
            notes = (note.text for note in record.notes)
            said = [f"{record.title or 'run'}: {status(record)}", *notes, advice(record)]
            return {"text/plain": "\n".join(filter(None, said))}
        from jupyter_latents.display.static_html import run_bundle

        return run_bundle(record, self.view.size)


class TerminalScreen:
    """A progress line that is written over in a terminal, and the facts as text at the end."""

    shares = False
    pictures = False
    live = False

    def __init__(self, view: RunView) -> None:
        self.view = view
        self.open = True
        self._width = 0
        self._told = 0

    def show(self) -> None:
        """See `Screen.show`."""
        if self.view.record.ended is None:
            self.update()
        else:
            self.finish()

    def update(self) -> None:
        """See `Screen.update`."""
        if self.view.verbose:
            self._tell_notes()
        if not sys.stdout.isatty():
            return
        line = progress_line(self.view.record, shutil.get_terminal_size().columns)
        sys.stdout.write(f"\r{line.ljust(self._width)}")
        sys.stdout.flush()
        self._width = len(line)

    def finish(self) -> None:
        """See `Screen.finish`."""
        self.open = False
        self._clear()
        sys.stdout.write(f"{summary(self.view.record)}\n")
        sys.stdout.flush()

    def _tell_notes(self) -> None:
        notes = self.view.record.notes
        for note in notes[self._told :]:
            self._clear()
            sys.stdout.write(f"{note.text}\n")
        self._told = len(notes)

    def _clear(self) -> None:
        if self._width:
            sys.stdout.write(f"\r{' ' * self._width}\r")
            self._width = 0
