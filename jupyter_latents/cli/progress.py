"""What a run tells on a terminal: a bar of its steps; where there is no terminal, a line now and then."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from jupyter_latents.display.texts import reading_text, sigma_text
from jupyter_latents.engine import Silent
from jupyter_latents.session.runs.steps import own_sigma
from jupyter_latents.wording import visible

if TYPE_CHECKING:
    from jupyter_latents.engine import ItemEvent, ItemState, Look, Phase, StageResult, StepEvent, WorkerRow
    from jupyter_latents.session.runs.run import Run
    from jupyter_latents.stage import Stage

__all__ = ["Narrator", "screen_of"]

_COLUMNS = 80
_ROWS = 2  # one bar has room in any terminal, also in one that does not say its size
_PARTS = 10  # lines that a stage's steps have at most, where there is no terminal
_WORDS = {"bridging": "crossing between spaces", "encoding": "encoding", "decoding": "decoding", "saving": "saving"}


class _Screen(Protocol):
    """Shows the progress of one stage after another."""

    def status(self, text: str, *, long: bool) -> None:
        """A part of the stage that has no steps begins, perhaps a long one."""

    def begin(self, title: str, first: int, total: int, end: int) -> None:
        """Steps begin at `first` of `total`, and go on to `end`."""

    def step(self, done: int, sigma: str) -> None:
        """A step is done."""

    def end(self) -> None:
        """The stage has ended."""

    def line(self, text: str, stream: TextIO) -> None:
        """A line between all that."""


class _Lines:
    """Plain lines on standard error."""

    def __init__(self) -> None:
        self._first = self._last = self._told = 0
        self._total = 1

    def status(self, text: str, *, long: bool) -> None:
        """See `_Screen.status`."""
        if long:
            self.line(text, sys.stderr)

    def begin(self, title: str, first: int, total: int, end: int) -> None:
        """See `_Screen.begin`."""
        self._first, self._total, self._last, self._told = first, total, end, 0
        self.line(f"{title}, steps {first}–{end} of {total}", sys.stderr)

    def step(self, done: int, sigma: str) -> None:
        """See `_Screen.step`."""
        part = (done - self._first) * _PARTS // max(1, self._last - self._first)
        if part > self._told:
            self._told = part
            self.line(f"  step {done} of {self._total}{', σ ' + sigma if sigma else ''}", sys.stderr)

    def end(self) -> None:
        """See `_Screen.end`."""

    def line(self, text: str, stream: TextIO) -> None:
        """See `_Screen.line`."""
        stream.write(f"{visible(text)}\n")
        stream.flush()


class _Bar:
    """A bar of tqdm's on a terminal, and a line in its place where there are no steps; several threads may tell it."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._drawing = threading.RLock()

    def _show(self, **settings: Any) -> None:
        from tqdm import tqdm

        with self._drawing:
            self.end()
            self._bar = tqdm(file=sys.stderr, ncols=_width(), nrows=_ROWS, mininterval=0.05, **settings)

    def status(self, text: str, *, long: bool) -> None:
        """See `_Screen.status`."""
        del long
        self._show(total=0, bar_format="{desc}", leave=False, desc=visible(text))

    def begin(self, title: str, first: int, total: int, end: int) -> None:
        """See `_Screen.begin`."""
        del total
        self._show(total=end, initial=first, desc=visible(title), unit="step")

    def step(self, done: int, sigma: str) -> None:
        """See `_Screen.step`."""
        if sigma:
            self._bar.set_postfix_str(f"σ {sigma}", refresh=False)
        self._bar.update(done - self._bar.n)

    def end(self) -> None:
        """See `_Screen.end`."""
        with self._drawing:
            bar, self._bar = self._bar, None
            if bar is not None:
                bar.close()

    def line(self, text: str, stream: TextIO) -> None:
        """See `_Screen.line`."""
        with self._drawing:
            if self._bar is not None:
                self._bar.clear()
            stream.write(f"{visible(text)}\n")
            stream.flush()
            if self._bar is not None:
                self._bar.refresh()


def _width() -> int:
    """Columns of the terminal; one that does not say has 80."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


def screen_of(stream: TextIO) -> _Screen:
    """What suits a stream: a bar for a terminal, else lines."""
    return _Bar() if stream.isatty() else _Lines()


class Narrator(Silent):
    """An observer that tells of a run: progress on standard error, notes and written files on standard output.

    Args:
        screen: Shows the progress.
    """

    def __init__(self, screen: _Screen) -> None:
        self.screen = screen
        self._run: Run | None = None
        self._count = self._number = self._files = 0
        self._model = ""
        self._items: dict[int, ItemState] = {}
        self._told = threading.Lock()

    def follow(self, run: Run) -> None:
        """The run whose files are told."""
        self._run = run

    def plan(self, stages: Sequence[Stage]) -> None:
        """See `Observer.plan`."""
        self._count = len(stages)

    def stage(self, index: int, stage: Stage, name: str) -> None:
        """See `Observer.stage`."""
        self._number = index + 1
        self._count = max(self._count, self._number)
        self._model = f"{stage.model.name} → {name}" if name else stage.model.name

    def phase(self, phase: Phase) -> None:
        """See `Observer.phase`."""
        if phase.name == "importing":
            self.screen.status(f"importing {phase.subject or 'libraries'}", long=True)
        elif phase.name == "starting":
            self.screen.status("starting workers", long=True)
        elif phase.name == "loading" and phase.reading is not None:
            self.screen.status(f"{self._place} loading {reading_text(phase.reading)}", long=True)
        elif phase.span is not None:
            span = phase.span
            self.screen.begin(f"{self._place} {self._model}", span.start, span.of, span.end)
        elif phase.name in _WORDS:
            self.screen.status(f"{self._place} {_WORDS[phase.name]}", long=False)

    @property
    def _place(self) -> str:
        return f"[{self._number}/{self._count}]"

    def step(self, event: StepEvent, look: Look) -> None:
        """See `Observer.step`."""
        del look
        self.screen.step(event.step, sigma_text(own_sigma(event.noise)))

    def item(self, event: ItemEvent, workers: Sequence[WorkerRow], look: Look | None = None) -> None:
        """See `Observer.item`: how many are done and at work; each is told as a stage once it is done."""
        del look
        with self._told:
            if self._items.get(event.index) == event.state:
                return
            self._items[event.index] = event.state
            states = list(self._items.values())
            done = len(states) - states.count("running") - states.count("waiting")
            told = f"{done} of {len(states)} stages done, {states.count('running')} at work on {len(workers)} workers"
            self.screen.status(told, long=event.state in ("done", "failed"))

    def note(self, text: str, *, warning: bool = False) -> None:
        """See `Observer.note`."""
        self.screen.line(text, sys.stderr if warning else sys.stdout)

    def result(self, result: StageResult) -> None:
        """See `Observer.result`."""
        del result
        self.screen.end()
        self.tell_files()

    def tell_files(self) -> None:
        """Prints the files that were written since, one a line."""
        files = self._run.files if self._run is not None else []
        for file in files[self._files :]:
            self.screen.line(file, sys.stdout)
        self._files = max(self._files, len(files))
