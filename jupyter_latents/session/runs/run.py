"""A run: what it has made, its steps, and the handles to stop, pause, iterate and await it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from jupyter_latents.errors import JupyterLatentsError, RunError, ScriptError, SettingError, StoppedError, cause
from jupyter_latents.session.runs.steps import Step, StepStream
from jupyter_latents.stopping import StopFlag, heeding

if TYPE_CHECKING:
    from types import TracebackType

    from jupyter_latents.engine import StageResult
    from jupyter_latents.latents.sequence import LatentsSequence
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.session.runs.executor import LocalExecutor

__all__ = ["Made", "Run"]

_POLL = 0.1  # seconds that a wait lasts at most before interrupts are heard


Made: TypeAlias = "Latents | LatentsSequence"
"""What one invocation makes: several latents where its options multiply."""


def _last(made: Sequence[Made]) -> Made:
    return made[-1]


class Run:
    """One cell's or script's run: what it has made, and the handles to stop or pause it.

    ```python
    for step in run: ...     # its steps as they come, from the first; ends, or raises, as the run does
    final = run.get()        # waits for what it makes
    final = await run        # the same in a coroutine; one that is cancelled stops the run
    with run: ...            # stopped at the end of the block
    ```

    Attributes:
        results: Results of the stages that have ended, in order; a stopped stage's partial result is the last.
        error: What ended it before its time, or None.
        bound: Names of the variables that its results are bound to.
        made: What its invocations have made so far, each whole.
        gives: Chooses of these what the run gives: the last one's, for a script.
        files: Files that it has written.
        log: Its steps.
        steps: How often the run has asked whether to stop: once a step, and once before each stage.
        flag: Ends or holds it; all of its work heeds it.
        watcher: The view that was attached to it, or None.
        title: What to call it before its stages are known.
        queue: The executor in whose queue it stands, or None.
        thread: What it runs on, or None before it is submitted.
    """

    def __init__(self) -> None:
        self.results: list[StageResult] = []
        self.error: BaseException | None = None
        self.bound: list[str] = []
        self.made: list[Made] = []
        self.gives: Callable[[Sequence[Made]], Made] = _last
        self.files: list[str] = []
        self.log = StepStream()
        self.steps = 0
        self.flag = StopFlag()
        self.watcher: Any = None
        self.title = ""
        self.queue: LocalExecutor | None = None
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
            return "the run ended at a whole step; what it had made is kept, and the same again goes on from there."
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

    def _display_(self) -> Any:
        """What marimo shows where a cell ends with it: its view, where it has one."""
        return self.watcher if self.watcher is not None else repr(self)

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

    def get(self) -> Made:
        """Waits for the run's end and gives what it made: the latents of the last model and options of its script.

        Returns:
            `Latents` of shape (batch, channels, height/factor, width/factor); a `LatentsSequence` where options
            multiply.

        Raises:
            JupyterLatentsError: What it failed with.
            ScriptError: Its script named no model, as one of directives alone.
            StoppedError: It was stopped; `result` holds what the last stage had made.
        """
        while not self.wait(_POLL):
            pass  # an interrupt is heard between two looks
        return self._outcome()

    def check(self) -> None:
        """Goes on, unless the run has failed.

        Raises:
            JupyterLatentsError: What it failed with; its traceback is that of who waits, not that of the run's thread.
        """
        error = self.error
        if isinstance(error, JupyterLatentsError):
            raise error.with_traceback(None)
        if error is not None:
            raise error

    def _outcome(self) -> Made:
        self.check()
        if self.flag.heard:
            raise StoppedError(self.left)
        if not self.made:
            raise ScriptError("the script ran no stage; name a model in it.")
        return self.gives(self.made)

    def fail(self, error: BaseException) -> None:
        """Ends the run at the present step; whoever waits for it raises the error.

        Args:
            error: What somebody who was told of a step raised.
        """
        self.error = error
        self.stop()

    def __iter__(self) -> Iterator[Step]:
        index = 0
        while (step := self.log.wait(index)) is not None:
            yield step
            index += 1
        self.wait()
        if isinstance(self.error, StopIteration):  # no generator can raise that
            raise RunError(f"on_step raised {cause(self.error)}") from self.error
        self.check()

    async def __aiter__(self) -> AsyncIterator[Step]:
        index = 0
        while (step := await self.log.arrival(index)) is not None:
            yield step
            index += 1
        self.check()

    def __await__(self) -> Generator[Any, None, Made]:
        return self._awaited().__await__()

    async def _awaited(self) -> Made:
        try:
            await self.log.ended()
        except BaseException:  # cancelled
            self.stop()
            raise
        return self._outcome()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.stop()
        self.wait()
        if kind is None:
            self.check()

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
            str(self)
            if self._ended.is_set()
            else "<Run, started; run = _ names it, print(run) tells how far it is, run.stop() ends it>"
        )

    def __str__(self) -> str:
        """State, stages and model evaluations so far."""
        count = len(self.results)
        stages = f"{count} stage" if count == 1 else f"{count} stages"
        return f"<Run {self.state}, {stages}, {self.model_evaluations} model evaluations>"

    def work(self, work: Callable[[Run], None], unstarted: Callable[[Run], None]) -> None:
        """Does the run's work on the present thread; called once, by what runs it.

        Args:
            work: Is given the run.
            unstarted: Called in its place where the run was stopped while it waited.
        """
        try:
            with heeding(self.flag):
                if self.flag.hear():
                    unstarted(self)
                else:
                    self._begun.set()
                    work(self)
        except JupyterLatentsError as error:
            self.error = self.error or error
        except BaseException as error:  # noqa: BLE001 - the thread's edge: whatever ends a run is told to who waits
            if self.error is None:
                self.error = RunError(f"the run failed unexpectedly: {cause(error)}")
                self.error.__cause__ = error
        finally:
            self._ended.set()
            self.log.end()
