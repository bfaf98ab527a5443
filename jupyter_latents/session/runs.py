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
        steps: How often the run has asked whether to stop: once a step, and once before each stage.
        held: Seconds for which it has been paused.
        watcher: The view that was attached to it, or None.
        thread: What it runs on, or None before it is submitted.
    """

    def __init__(self) -> None:
        self.results: list[StageResult] = []
        self.error: BaseException | None = None
        self.steps = 0
        self.held = 0.0
        self.watcher: Any = None
        self._stop = threading.Event()
        self._go_on = threading.Event()
        self._go_on.set()
        self._ended = threading.Event()
        self._begun = threading.Event()
        self.thread: threading.Thread | None = None

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``paused``, ``stopping``, ``stopped``, ``failed`` or ``done``."""
        if self._ended.is_set():
            if self.error is not None:
                return "failed"
            return "stopped" if self._stop.is_set() else "done"
        if not self._begun.is_set():
            return "queued"
        if self._stop.is_set():
            return "stopping"
        return "running" if self._go_on.is_set() else "paused"

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
        """Ends the run at the next whole step; what it has made stays, ready to be continued."""
        self._stop.set()
        self._go_on.set()

    def pause(self) -> None:
        """Holds the run after the present step, until `resume` or `stop`."""
        self._go_on.clear()

    def resume(self) -> None:
        """Lets a paused run go on."""
        self._go_on.set()

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
        if not self._go_on.is_set():
            began = time.monotonic()
            self._go_on.wait()
            self.held += time.monotonic() - began
        return self._stop.is_set()

    def __repr__(self) -> str:
        return f"<Run {self.state}, {len(self.results)} stages, {self.model_evaluations} model evaluations>"

    def _work(self, work: Callable[[Run], None]) -> None:
        self._begun.set()
        try:
            if not self._stop.is_set():
                work(self)
        except JupyterLatentsError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - the thread's edge: told to whoever waits
            self.error = RunError(f"the run failed unexpectedly: {type(error).__name__}: {error}")
            self.error.__cause__ = error
        finally:
            self._ended.set()


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

    def submit(self, work: Callable[[Run], None]) -> Run:
        """Starts work as soon as what was submitted before has ended.

        Args:
            work: Is given its run; appends to ``run.results`` and asks ``run.should_stop()``.

        Raises:
            SettingError: Called from inside a run, which would wait for itself.
        """
        if threading.current_thread().name.startswith("jupyter-latents"):
            raise SettingError("a run cannot start another run and wait for it; start it from a cell.")
        run = Run()
        with self._turn:
            self._waiting.append(run)
        context = contextvars.copy_context()
        run.thread = threading.Thread(
            target=context.run, args=(self._in_turn, run, work), name=f"jupyter-latents-{id(run)}", daemon=True
        )
        run.thread.start()
        return run

    def _in_turn(self, run: Run, work: Callable[[Run], None]) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self._waiting[0] is run)
        try:
            run._work(work)  # noqa: SLF001 - the executor's own half of Run
        finally:
            with self._turn:
                self._waiting.popleft()
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
