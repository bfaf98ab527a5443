"""The steps of a run, for whoever iterates it or asked to be called: plain data, and latents when asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_latents.errors import LatentsError
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from jupyter_latents.engine import ItemEvent, Look, Observer, Phase, StageResult, StepEvent, WorkerRow
    from jupyter_latents.latents.facts import Noise
    from jupyter_latents.latents.value import Latents

__all__ = ["OnStep", "Step", "StepStream", "Watching", "own_sigma"]

_POLL = 0.1  # seconds that a wait lasts at most before interrupts are heard


class _Source:
    """Where the latents of one stage's steps are: with its run, then in its result."""

    def __init__(self) -> None:
        self.look: Look | None = None
        self.left: Latents | None = None

    def latents(self, step: int) -> Latents:
        look, left = self.look, self.left
        if left is not None:
            return left.at(step=step) if left.trajectory else left
        if look is None:
            raise LatentsError("the latents of this step are not kept: its stage left none.")
        return look.latents(step)

    def end(self, left: Latents | None) -> None:
        """The stage has ended: nothing of its run is held on to."""
        self.left = self.left if left is None else left
        self.look = None


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step of a run is done.

    Attributes:
        index: Whole steps done of the full schedule: 1 after the first step of a stage that begins at its start.
        total: Whole steps of the full schedule, of which a stage may run a part.
        sigma: The noise level now in its own form's unit: a flow sigma between 0 and 1, else the VE sigma; 0 is clean.
        stage: What is being run.
        stage_index: Which stage of the run that is, from 0.
    """

    index: int
    total: int
    sigma: float
    stage: Stage
    stage_index: int
    _source: _Source = field(repr=False)

    @property
    def latents(self) -> Latents:
        """What the stage would leave if it were stopped here, shape (batch, channels, height/factor, width/factor).

        They are made when first asked for, from any thread, while the run goes on and after it.

        Raises:
            LatentsError: The stage failed and left nothing.
        """
        return self._source.latents(self.index)


OnStep = Callable[[Step], object]


class StepStream:
    """The steps of one run in order; who waits for the next is woken."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._ended = False
        self._news = threading.Condition()
        self._listeners: list[Callable[[], None]] = []

    @property
    def last(self) -> Step | None:
        """The newest step."""
        return self._steps[-1] if self._steps else None

    def add(self, step: Step) -> None:
        """A step is done."""
        with self._news:
            self._steps.append(step)
        self._tell()

    def end(self) -> None:
        """No further step will come."""
        with self._news:
            self._ended = True
        self._tell()

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def wait(self, index: int) -> Step | None:
        """Waits for a step; None where the run ended before it.

        Args:
            index: Which, from 0.
        """
        with self._news:
            while not self._is_known(index):
                self._news.wait(_POLL)
            return self._steps[index] if index < len(self._steps) else None

    async def arrival(self, index: int) -> Step | None:
        """The same without holding up the event loop."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(news.set)

        with self._listening(tell):
            while not self._is_known(index):
                await news.wait()
                news.clear()
        return self._steps[index] if index < len(self._steps) else None

    async def ended(self) -> None:
        """Waits for the run's end without holding up the event loop."""
        index = 0
        while await self.arrival(index) is not None:
            index = max(index + 1, len(self._steps))

    def _is_known(self, index: int) -> bool:
        return index < len(self._steps) or self._ended

    @contextmanager
    def _listening(self, tell: Callable[[], None]) -> Iterator[None]:
        with self._news:
            self._listeners.append(tell)
        try:
            yield
        finally:
            with self._news:
                self._listeners.remove(tell)


class Watching:
    """An observer that logs a run's steps and calls who asked for them; the rest is another observer's.

    What the called one raises ends the run at that step, and is given to `fail`.

    Args:
        observer: Is told everything.
        log: Takes the steps.
        on_step: Called after each step, from the run's thread; None for nobody.
        fail: Is given what that raised.
    """

    def __init__(
        self, observer: Observer, log: StepStream, on_step: OnStep | None, fail: Callable[[BaseException], None]
    ) -> None:
        self._observer, self._log, self._on_step, self._fail = observer, log, on_step, fail
        self._source = _Source()
        self._stage: tuple[int, Stage] | None = None
        self._told = False

    def end(self, results: Sequence[StageResult]) -> None:
        """The run has ended.

        Args:
            results: Those of its stages; one that failed has left its steps there, if it made any.
        """
        number = self._stage[0] if self._stage is not None else 0
        self._source.end(results[number].latents if number < len(results) else None)

    def plan(self, stages: Sequence[Stage]) -> None:
        """See `Observer.plan`."""
        self._observer.plan(stages)

    def stage(self, index: int, stage: Stage, name: str) -> None:
        """See `Observer.stage`."""
        self._source, self._stage, self._told = _Source(), (index, stage), False
        self._observer.stage(index, stage, name)

    def phase(self, phase: Phase) -> None:
        """See `Observer.phase`."""
        self._observer.phase(phase)

    def step(self, event: StepEvent, look: Look) -> None:
        """See `Observer.step`."""
        self._source.look = look
        self._observer.step(event, look)
        self._add(event.step, event.span.of, event.noise)

    def note(self, text: str, *, warning: bool = False) -> None:
        """See `Observer.note`."""
        self._observer.note(text, warning=warning)

    def result(self, result: StageResult) -> None:
        """See `Observer.result`; a stage that was kept from before has its steps told now."""
        self._source.end(result.latents)
        if not self._told:
            for latents in result.latents.trajectory or (result.latents,):
                if latents.position is not None and latents.position.step > result.span.start:
                    self._add(latents.position.step, latents.position.of, latents.noise)
        self._observer.result(result)

    def item(self, event: ItemEvent, workers: Sequence[WorkerRow], look: Look | None = None) -> None:
        """See `Observer.item`."""
        self._observer.item(event, workers, look)

    def _add(self, index: int, total: int, level: Noise | None) -> None:
        if self._stage is None:
            return
        self._told = True
        number, stage = self._stage
        step = Step(index, total, own_sigma(level), stage, number, self._source)
        self._log.add(step)
        if self._on_step is None:
            return
        try:
            self._on_step(step)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the one who waits for the run raises it
            self._on_step = None
            self._fail(error)


def own_sigma(level: Noise | None) -> float:
    """A level in its own form's unit, flow levels as the flow models' s; 0 where nobody knows."""
    return 0.0 if level is None else level.own_sigma
