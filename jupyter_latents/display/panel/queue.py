"""What runs and waits in the kernel, whoever has started it, in the panel's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jupyter_latents.threads import start_thread

if TYPE_CHECKING:
    from jupyter_latents.session import Session
    from jupyter_latents.session.runs.run import Run

__all__ = ["Queue"]


class Queue:
    """The kernel's runs.

    Args:
        session: Runs them.
        changed: Is called in a thread when one of them has ended, is paused or goes on.
    """

    def __init__(self, session: Session, changed: Callable[[], None]) -> None:
        self._session, self._changed = session, changed
        self._watched: set[Run] = set()

    @property
    def running(self) -> Run | None:
        """The run that goes on."""
        runs = self._session.executor.waiting
        return runs[0] if runs else None

    @property
    def waiting(self) -> tuple[Run, ...]:
        """Those that wait for it, and are not to be stopped."""
        return tuple(run for run in self._session.executor.waiting[1:] if not run.flag.asked)

    @property
    def paused(self) -> bool:
        """Whether the run that goes on is held."""
        run = self.running
        return run is not None and run.flag.paused and not run.flag.asked

    @property
    def now(self) -> str:
        """What is done now, in words; empty where nothing runs."""
        run = self.running
        if run is None:
            return ""
        if run.flag.asked:
            return "a run is stopping"
        return "1 run is paused" if self.paused else "a run goes on"

    @property
    def later(self) -> str:
        """What waits, in words; empty where nothing does."""
        count = len(self.waiting)
        return f"waiting: {count} run{'s'[count == 1 :]}" if count else ""

    def watch(self) -> None:
        """Has the end of each run told, and each pause."""
        for run in self._session.executor.waiting:
            if run not in self._watched:
                self._watched.add(run)
                start_thread(lambda run=run: self._wait(run), "dgen-panel-queue")  # type: ignore[misc]

    def stop(self) -> None:
        """Ends the run that goes on, at the next whole step."""
        if self.running is not None:
            self.running.stop()

    def cancel(self) -> int:
        """Takes all that waits out of the queue; tells how many runs that were."""
        waiting = self.waiting
        for run in waiting:
            run.stop()
        return len(waiting)

    def _told(self, _word: str) -> None:
        """A run is paused or goes on; whoever says so may hold a lock that the panel waits for."""
        start_thread(self._changed, "dgen-panel-queue")

    def _wait(self, run: Run) -> None:
        with run.flag.heard_by(self._told):
            run.wait()
        self._watched.discard(run)
        self._changed()
