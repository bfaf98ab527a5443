"""Stages of one invocation that run at the same time, on an engine with several workers; taken in their order.

Each is remembered as if it ran alone. One that an earlier one answers, in whole or in its first steps, comes after it,
so that no step is run twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_latents.engine import Item, ItemEvent, Phase, Silent, StageResult, StepEvent, WideEngine, WorkerRow
from jupyter_latents.errors import RunError, StoppedError

if TYPE_CHECKING:
    from jupyter_latents.engine import Look, Observer
    from jupyter_latents.session.runs.readiness import Resolved
    from jupyter_latents.session.runs.run import Run
    from jupyter_latents.stage import Stage

_TABLE_SECONDS = 0.1  # between two looks at all workers

__all__ = ["SideBySide", "names_itself", "predecessors"]


class _Outcome:
    """What becomes of a stage."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.result: StageResult | None = None
        self.error: BaseException | None = None


class SideBySide:
    """Runs stages at the same time.

    Args:
        engine: Runs them.
        run: Says when to stop.
        observer: Is told how far each is.
        first: Which stage of the run the first of them is.
        names: What they are called in tables.
    """

    def __init__(self, engine: WideEngine, run: Run, observer: Observer, first: int, names: Sequence[str]) -> None:
        self._engine, self._run, self._observer = engine, run, observer
        self._first, self._names = first, names
        self._outcomes: dict[int, _Outcome] = {}
        self._cancelled = threading.Event()
        self._several: Mapping[int, Resolved] = {}
        self._rows: list[WorkerRow] = []
        self._asked = 0.0

    def begin(self, several: Mapping[int, Resolved], go: Callable[[int, Resolved, Observer], StageResult]) -> None:
        """Begins stages.

        Args:
            several: Each by its place in the invocation, in order.
            go: Runs one, or answers it from what is kept; asks `should_stop`.

        Raises:
            RunError: The workers are gone.
        """
        self._several = several
        numbers = {place: self._engine.number() for place in several}
        self._outcomes = {place: _Outcome() for place in several}
        before = predecessors(several)
        for place, resolved in several.items():
            self._tell(ItemEvent(self._first + place, self._names[place], "waiting"))
            near = tuple(latents.digest for latents in resolved.inputs.latents)
            after = (numbers[before[place]],) if place in before else ()
            item = Item(numbers[place], resolved.stage.model.name, near, after)
            self._engine.begin(item, self._names[place], self._work(place, resolved, go))

    def _work(
        self, place: int, resolved: Resolved, go: Callable[[int, Resolved, Observer], StageResult]
    ) -> Callable[[], Sequence[str]]:
        outcome = self._outcomes[place]
        progress = _Progress(self._observer, self._tell, ItemEvent(self._first + place, self._names[place], "running"))

        def work() -> Sequence[str]:
            try:
                if self.stop_asked():
                    raise StoppedError("the run was stopped before this stage began.")
                outcome.result = go(place, resolved, progress)
            except BaseException as error:  # noqa: BLE001 - the thread's edge: who takes the result raises it
                outcome.error = error
            finally:
                progress.end(failed=outcome.error is not None)
                outcome.ended.set()
            return () if outcome.result is None else (outcome.result.latents.digest,)

        return work

    def __contains__(self, place: int) -> bool:
        return place in self._outcomes

    def resolved(self, place: int) -> Resolved:
        """A stage that was begun."""
        return self._several[place]

    def take(self, place: int) -> StageResult:
        """The result of a stage, as soon as there is one.

        Raises:
            BaseException: What it ended with.
        """
        outcome = self._outcomes[place]
        outcome.ended.wait()
        if outcome.error is not None:
            raise outcome.error
        if outcome.result is None:
            raise RunError("a stage ended with nothing.")
        return outcome.result

    def should_stop(self) -> bool:
        """Asked after each step of each stage; holds while the run is paused."""
        return self._run.should_stop() or self._cancelled.is_set()

    def stop_asked(self) -> bool:
        """Asked before the first step; holds while the run is paused."""
        return self._run.stop_asked() or self._cancelled.is_set()

    def end(self) -> None:
        """Nobody will take what is left: it ends at its next step, is remembered as far as it is, and is waited for."""
        self._cancelled.set()
        for outcome in self._outcomes.values():
            outcome.ended.wait()

    def _tell(self, event: ItemEvent, look: Look | None = None) -> None:
        now = time.monotonic()
        if now - self._asked >= _TABLE_SECONDS or event.state in ("done", "failed"):
            self._asked, self._rows = now, self._engine.workers()
        self._observer.item(event, self._rows, look)


class _Progress(Silent):
    """An observer of one stage that tells how far it is; notes go to the run's own."""

    def __init__(self, observer: Observer, tell: Callable[[ItemEvent, Look | None], None], event: ItemEvent) -> None:
        self._observer, self._tell_event, self._event = observer, tell, event

    def phase(self, phase: Phase) -> None:
        """See `Observer.phase`."""
        if phase.span is not None:
            self._event = replace(self._event, step=phase.span.start, end=phase.span.end)
        if phase.name != self._event.phase or phase.span is not None:
            self._tell(replace(self._event, phase=phase.name))

    def step(self, event: StepEvent, look: Look) -> None:
        """See `Observer.step`."""
        self._tell(replace(self._event, step=event.step, end=event.span.end), look)

    def note(self, text: str, *, warning: bool = False) -> None:
        """See `Observer.note`."""
        self._observer.note(text, warning=warning)

    def end(self, *, failed: bool) -> None:
        """The stage has ended."""
        self._tell(replace(self._event, state="failed" if failed else "done", phase=None))

    def _tell(self, event: ItemEvent, look: Look | None = None) -> None:
        self._event = event
        self._tell_event(event, look)


def names_itself(stages: Sequence[Stage]) -> bool:
    """Whether one of the stages is given what another of them binds: they run one after the other then."""
    bound = {stage.into for stage in stages if stage.into}
    for stage in stages:
        if any(part.kind == "variable" and part.text.partition("[")[0].strip() in bound for part in stage.references):
            return True
    return False


def predecessors(several: Mapping[int, Resolved]) -> dict[int, int]:
    """For each stage the one before it whose steps it can go on from.

    That is the last that is the same but for its end, or else the first that has most of its steps in common with it.

    Args:
        several: The stages by their places, in order.

    Returns:
        Place to place; without the stages that have none.
    """
    found: dict[int, int] = {}
    same: dict[str, int] = {}
    led: dict[str, dict[int, int]] = {}  # a lead's key to its ends, and the first stage with each
    for place, own in several.items():
        if not own.key:
            continue
        common = [(min(lead.end, end), -other) for lead in own.leads for end, other in led.get(lead.key, {}).items()]
        if own.key in same:
            found[place] = same[own.key]
        elif common:
            found[place] = -max(common)[1]
        same[own.key] = place
        for lead in own.leads:
            led.setdefault(lead.key, {}).setdefault(lead.end, place)
    return found
