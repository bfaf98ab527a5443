"""The runs that wait for their turn, as a view tells and orders them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.records.run_record import QueuedRun
from jupyter_latents.wording import visible

if TYPE_CHECKING:
    from jupyter_latents.display.view import Watched

__all__ = ["RunQueue", "run_name"]


class RunQueue:
    """What goes on before a run and waits with it.

    Args:
        run: The run of the view; None where nothing runs.
    """

    def __init__(self, run: Watched | None) -> None:
        self._run = run
        self._queue: Any = run.queue if run is not None else None

    @property
    def waiting(self) -> tuple[QueuedRun, ...]:
        """Those that wait, in order; those that are to end are gone from it at once."""
        return tuple(QueuedRun(self._name(run), run is self._run) for run in self._runs)

    @property
    def ahead(self) -> str:
        """What the run that goes on is called, where it is another one and not paused; else nothing."""
        first = self._first
        return self._name(first) if first is not None and first.state != "paused" else ""

    @property
    def held_up(self) -> str:
        """What the run that goes on is called, where it is another one and paused; else nothing."""
        first = self._first
        return self._name(first) if first is not None and first.state == "paused" else ""

    def cancel(self, place: int) -> None:
        """Takes a run out.

        Args:
            place: Where it stands, 0 for the next.
        """
        if 0 <= place < len(self._runs):
            self._runs[place].stop()

    def advance(self, place: int) -> None:
        """Lets a run that waits be the next.

        Args:
            place: Where it stands, 0 for the next.
        """
        if 0 <= place < len(self._runs):
            self._queue.advance(self._runs[place])

    def free(self, *, stop: bool) -> None:
        """Lets the paused run that all wait for go on, or ends it.

        Args:
            stop: Whether it is to end.
        """
        first = self._first
        if first is not None and first.state == "paused":
            (first.stop if stop else first.resume)()

    def _name(self, run: Any) -> str:
        return run_name(run, self._queue.waiting)

    @property
    def _runs(self) -> list[Any]:
        return [run for run in self._queue.waiting[1:] if not run.flag.asked] if self._queue is not None else []

    @property
    def _first(self) -> Any:
        """The run that goes on, where it is not that of the view."""
        runs = self._queue.waiting[:1] if self._queue is not None else ()
        return runs[0] if runs and runs[0] is not self._run else None


def run_name(run: Any, waiting: Iterable[Any]) -> str:
    """A run's title; those of the same title are numbered from the second on, ``base → final (2)``.

    Args:
        run: The run.
        waiting: The queue that it stands in.
    """
    title = _title(run)
    before = itertools.takewhile(lambda other: other is not run, waiting)
    number = sum(_title(other) == title for other in before)
    return f"{title} ({number + 1})" if number else title


def _title(run: Any) -> str:
    told = run.watcher.record.title if run.watcher is not None else ""
    return visible(told or run.title) or "a run"
