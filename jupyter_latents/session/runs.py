"""Runs on this machine: a worker thread each, one at a time, with stop and pause flags.

A run's thread starts with the starter's context variables, which notebook kernels need to route output.
"""

from __future__ import annotations

import contextvars
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import JupyterLatentsError, RunError, SettingError
from jupyter_latents.stopping import StopFlag, heeding

if TYPE_CHECKING:
    from jupyter_latents.engine import StageResult
    from jupyter_latents.latents.value import Latents

__all__ = ["LocalExecutor", "Run"]

_EXIT_SECONDS = 10.0
"""How long a process that ends waits for the step under way."""


class Run:
    """One cell's or script's run: what it has made, and the handles to stop or pause it.

    Attributes:
        results: Results of the stages that have ended, in order; a stopped stage's partial result is the last.
        error: What ended it before its time, or None.
        bound: Names of the variables that its results are bound to.
        steps: How often the run has asked whether to stop: once a step, and once before each stage.
        flag: Ends or holds it; all of its work heeds it.
        watcher: The view that was attached to it, or None.
        thread: What it runs on, or None before it is submitted.
    """

    def __init__(self) -> None:
        self.results: list[StageResult] = []
        self.error: BaseException | None = None
        self.bound: list[str] = []
        self.steps = 0
        self.flag = StopFlag()
        self.watcher: Any = None
        self._ended = threading.Event()
        self._begun = threading.Event()
        self.thread: threading.Thread | None = None

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``paused``, ``stopping``, ``stopped``, ``failed`` or ``done``."""
        if self._ended.is_set():
            if self.error is not None:
                return "failed"
            return "stopped" if self.flag.heard else "done"
        if self.flag.asked:
            return "stopping"
        if not self._begun.is_set():
            return "queued"
        return "paused" if self.flag.paused else "running"

    @property
    def held(self) -> float:
        """Seconds for which it has been paused."""
        return self.flag.held

    @property
    def left(self) -> str:
        """What there is of a run that was to end before its time, in a sentence."""
        if self._ended.is_set() and not self.flag.heard:
            return "the run came to its end before the stop was heard; all of it is made."
        if not self._begun.is_set():
            return "the run was stopped while it waited for an earlier one; nothing was made."
        if not self.results:
            return "the run was stopped before its first step; nothing was made."
        if not self.bound:
            return "the run ended at a whole step; what it had made is kept, and the same cell goes on from there."
        names = ", ".join(dict.fromkeys(self.bound))
        return f"the run ended at a whole step; what it had made is bound ({names}) and can be continued."

    @property
    def result(self) -> Latents | None:
        """The latents of the last stage that made any, or None."""
        return self.results[-1].latents if self.results else None

    @property
    def model_evaluations(self) -> int:
        """Scheduler steps run so far, over all stages."""
        return sum(result.evaluations for result in self.results)

    @property
    def saved_evaluations(self) -> int:
        """Scheduler steps that were not repeated, because they were kept from before."""
        return sum(result.saved for result in self.results)

    def stop(self) -> None:
        """Ends the run: at once where it waits, reads or decodes, and at the next whole step where it denoises.

        What it has made stays, ready to be continued.
        """
        self.flag.stop()

    def pause(self) -> None:
        """Holds the run after the present step, until `resume` or `stop`."""
        self.flag.pause()

    def resume(self) -> None:
        """Lets a paused run go on."""
        self.flag.resume()

    def view(self) -> Any:
        """Its view once more, live while it goes on; it shows itself where a cell ends with it.

        Raises:
            SettingError: It was started without a view.
        """
        if self.watcher is None:
            raise SettingError("this run was started without a view; run.result.view() shows what it has made.")
        return self.watcher

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the run has ended and has let go of all that it held.

        Args:
            timeout: Seconds at most; None to wait without limit.

        Returns:
            Whether it has ended.
        """
        ended = self._ended.wait(timeout)
        if ended and self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join()  # a process that ends while torch frees memory on another thread is aborted
        return ended

    def should_stop(self) -> bool:
        """Asked by the run itself after each step; holds while paused."""
        self.steps += 1
        return self.stop_asked()

    def stop_asked(self) -> bool:
        """Asked by the run itself between the phases before the first step; holds while paused."""
        return self.flag.hold()

    def __repr__(self) -> str:
        """What stays true in a notebook that is saved; `str` tells how far it is."""
        return (
            str(self) if self._ended.is_set() else "<Run, started; print(run) tells how far it is, run.stop() ends it>"
        )

    def __str__(self) -> str:
        """State, stages and model evaluations so far."""
        count = len(self.results)
        stages = f"{count} stage" if count == 1 else f"{count} stages"
        return f"<Run {self.state}, {stages}, {self.model_evaluations} model evaluations>"

    def _work(self, work: Callable[[Run], None], unstarted: Callable[[Run], None]) -> None:
        try:
            with heeding(self.flag):
                if self.flag.hear():
                    unstarted(self)
                else:
                    self._begun.set()
                    work(self)
        except JupyterLatentsError as error:
            self.error = error
        except BaseException as error:  # noqa: BLE001 - the thread's edge: whatever ends a run is told to who waits
            self.error = RunError(f"the run failed unexpectedly: {type(error).__name__}: {error}")
            self.error.__cause__ = error
        finally:
            self._ended.set()


def _nothing(_run: Run) -> None:
    """Nothing is to be told of a run that never began."""


class LocalExecutor:
    """Runs work in threads, one at a time, first come first served."""

    def __init__(self) -> None:
        self._waiting: deque[Run] = deque()
        self._turn = threading.Condition()
        weakref.finalize(self, _end, self._waiting)

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
        run.flag.on_stop(self._wake)
        with self._turn:
            self._waiting.append(run)
        context = contextvars.copy_context()
        run.thread = threading.Thread(
            target=context.run,
            args=(self._in_turn, run, work, unstarted),
            name=f"jupyter-latents-{id(run)}",
            daemon=True,
        )
        run.thread.start()
        return run

    def _wake(self) -> None:
        """A run is to end: it may be one that waits."""
        with self._turn:
            self._turn.notify_all()

    def _in_turn(self, run: Run, work: Callable[[Run], None], unstarted: Callable[[Run], None]) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self._waiting[0] is run or run.flag.asked)
        try:
            run._work(work, unstarted)  # noqa: SLF001 - the executor's own half of Run
        finally:
            with self._turn:
                self._waiting.remove(run)
                self._turn.notify_all()


def _end(waiting: deque[Run]) -> None:
    """Stops what still goes on when the process ends, each at a whole step: torch does not survive being cut off."""
    deadline = time.monotonic() + _EXIT_SECONDS
    runs = tuple(waiting)
    for run in runs:
        run.stop()
    for run in runs:
        if run.thread is not None:
            run.thread.join(max(0.0, deadline - time.monotonic()))
