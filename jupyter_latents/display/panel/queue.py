"""What runs and waits in the kernel, whoever has started it, in the panel's words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_latents.display.run_queue import run_name
from jupyter_latents.display.texts import doing, items_text, share_done
from jupyter_latents.threads import start_thread

if TYPE_CHECKING:
    from jupyter_latents.display.records.run_record import RunRecord
    from jupyter_latents.session import Session
    from jupyter_latents.session.runs.run import Run

__all__ = ["Going", "Queue"]

_PACE = 0.5  # seconds between two looks at how far a run is


@dataclass(frozen=True, slots=True)
class Going:
    """The run that goes on, in words.

    Attributes:
        name: What it is called.
        state: ``running``, ``paused`` or ``stopping``.
        at: Where it is, such as ``step 12 of 30``; empty where that is not known.
        share: How much of its steps is done, from 0 to 1.
    """

    name: str
    state: str
    at: str = ""
    share: float = 0.0


class Queue:
    """The kernel's runs.

    Args:
        session: Runs them.
        changed: Is called in a thread when one of them has ended, is paused or goes on.
        moved: Is called in a thread, twice a second, while one goes on.
    """

    def __init__(self, session: Session, changed: Callable[[], None], moved: Callable[[], None]) -> None:
        self._session, self._changed, self._moved = session, changed, moved
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
    def going(self) -> Going | None:
        """What is done now; None where nothing runs."""
        run = self.running
        if run is None:
            return None
        state = "stopping" if run.flag.asked else "paused" if run.flag.paused else "running"
        record = run.watcher.record if run.watcher is not None else None
        return Going(self.name(run), state, *((_at(record, state), share_done(record)) if record is not None else ()))

    @property
    def names(self) -> list[str]:
        """What those that wait are called."""
        return [self.name(run) for run in self.waiting]

    def name(self, run: Run | None) -> str:
        """What a run is called in the queue, as its view calls it."""
        return run_name(run, self._session.executor.waiting) if run is not None else ""

    def watch(self) -> None:
        """Has the end of each run told, each pause, and how far it is."""
        for run in self._session.executor.waiting:
            if run not in self._watched:
                self._watched.add(run)
                start_thread(lambda run=run: self._wait(run), "dgen-panel-queue")  # type: ignore[misc]

    def stop(self) -> None:
        """Ends the run that goes on, at the next whole step."""
        if self.running is not None:
            self.running.stop()

    def cancel(self) -> list[str]:
        """Takes all that waits out of the queue; what those runs are called."""
        waiting, names = self.waiting, self.names
        for run in waiting:
            run.stop()
        return names

    def _told(self, _word: str) -> None:
        """A run is paused or goes on; whoever says so may hold a lock that the panel waits for."""
        start_thread(self._changed, "dgen-panel-queue")

    def _wait(self, run: Run) -> None:
        with run.flag.heard_by(self._told):
            while not run.wait(_PACE):
                if run is self.running:
                    self._moved()
        self._watched.discard(run)
        self._changed()


def _at(record: RunRecord, state: str) -> str:
    """Where a run is: of a sweep the picture, of a stage the step, before that what is done."""
    if told := items_text(record):
        return told
    phase = record.phases[-1] if record.phases else None
    stage = record.stages[-1] if record.stages else None
    if phase is None or stage is None or phase.name != "denoising" or phase.phase.reading is not None:
        return doing(record) if state == "running" and phase is not None else ""
    sweep = stage.stage.sweep
    picture = f"picture {sweep.place + 1} of {sweep.count}, " if sweep is not None else ""
    return f"{picture}step {stage.points[-1].step if stage.points else stage.start} of {stage.of}"
