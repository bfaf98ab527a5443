"""Runs on this machine: a worker thread each, one at a time, in an order that may be changed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from jupyter_latents.errors import SettingError
from jupyter_latents.session.runs.run import Run
from jupyter_latents.threads import start_thread

__all__ = ["LocalExecutor"]


def _nothing(_run: Run) -> None:
    """Nothing is to be told of a run that never began."""


class LocalExecutor:
    """Runs work in threads, one at a time, first come first served."""

    def __init__(self) -> None:
        self._waiting: deque[Run] = deque()
        self._turn = threading.Condition()

    @property
    def waiting(self) -> tuple[Run, ...]:
        """The runs that have not ended, the present one first."""
        return tuple(self._waiting)

    def submit(self, work: Callable[[Run], None], unstarted: Callable[[Run], None] = _nothing) -> Run:
        """Starts work as soon as what was submitted before has ended.

        Args:
            work: Is given its run; appends to ``run.results`` and asks ``run.should_stop()``.
            unstarted: Called in its place where the run was stopped while it waited.

        Raises:
            SettingError: Called from inside a run, which would wait for itself.
        """
        if threading.current_thread().name.startswith("jupyter-latents"):
            raise SettingError("a run cannot start another run and wait for it; start it from a cell.")
        run = Run()
        run.queue = self
        run.flag.on_stop(self._wake)
        with self._turn:
            self._waiting.append(run)
        run.thread = start_thread(lambda: self._in_turn(run, work, unstarted), f"jupyter-latents-{id(run)}", run.stop)
        return run

    def advance(self, run: Run) -> None:
        """Lets a run that waits be the next; one that has begun or ended stays where it is.

        Args:
            run: The run.
        """
        with self._turn:
            if run in list(self._waiting)[2:]:
                self._waiting.remove(run)
                self._waiting.insert(1, run)

    def _wake(self) -> None:
        """A run is to end: it may be one that waits."""
        with self._turn:
            self._turn.notify_all()

    def _in_turn(self, run: Run, work: Callable[[Run], None], unstarted: Callable[[Run], None]) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self._waiting[0] is run or run.flag.asked)
        try:
            run.work(work, unstarted)
        finally:
            with self._turn:
                self._waiting.remove(run)
                self._turn.notify_all()
