"""What the stages of a panel will do, found out in a thread of its own without loading weights."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_latents.engine import FractionRule, Grid, schedule_of
from jupyter_latents.errors import JupyterLatentsError, StoppedError
from jupyter_latents.points import Point, read_point
from jupyter_latents.threads import start_thread
from jupyter_latents.wording import readable

if TYPE_CHECKING:
    from jupyter_latents.session import Session
    from jupyter_latents.session.plans.planning import Plan, PlannedStage

__all__ = ["Outlook", "Planner", "Schedule", "look"]

_PAUSE = 0.3


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of a stage's whole schedule.

    Attributes:
        sigmas: Noise level before each step, as text, and after the last one.
        timesteps: The full list of timesteps, falling.
        order: Timesteps of one whole step.
        rule: How a fraction counts.
        train: Length of the training schedule.
        levels: The noise levels as numbers, in the schedule's form.
    """

    sigmas: tuple[str, ...]
    timesteps: tuple[float, ...]
    order: int = 1
    rule: FractionRule = "steps"
    train: int = 1000
    levels: tuple[float, ...] = ()

    @classmethod
    def plain(cls, steps: int) -> Schedule:
        """A schedule of which nothing but its length is known."""
        return cls((), tuple(float(number) for number in range(steps, 0, -1)))

    @property
    def steps(self) -> int:
        """Whole steps."""
        return -(-len(self.timesteps) // self.order)

    def step(self, point: Point) -> int:
        """The whole step of a point.

        Raises:
            WindowError: The schedule has no such step or noise level.
        """
        return Grid(self.timesteps, self.order, self.rule, self.train, self.levels).step(point)

    def step_of_text(self, text: str, otherwise: int) -> int:
        """The whole step of a point as typed; `otherwise` where it is none of this schedule."""
        try:
            return self.step(read_point(text))
        except JupyterLatentsError:
            return otherwise

    def fraction(self, step: int) -> str:
        """The shortest fraction that means a step."""
        low, high = 0.0, 1.0
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (low, middle) if self.step(middle) >= step else (middle, high)
        for digits in range(1, 7):
            rounded = math.ceil(high * 10**digits - 1e-3) / 10**digits
            if rounded <= 1 and self.step(rounded) == step:
                return f"{rounded:g}"
        return f"{high:.6g}"

    def in_words(self, start: int, end: int) -> str:
        """A window in words: its steps, and the noise levels at its ends where they are known."""
        text = f"steps {start}–{end} of {self.steps}"
        known = len(self.sigmas) > max(start, end)
        return f"{text} · noise {self.sigmas[start]} → {self.sigmas[end]}" if known else text


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one form will do.

    Attributes:
        text: The plan in words; empty when it is refused.
        error: Why it cannot run, or None.
        schedule: Its whole schedule, where the model is known.
        window: First step and the step after the last.
        evaluations: Steps that the model will run.
        model: What the model is, in words; empty where nobody knows.
    """

    text: str = ""
    error: JupyterLatentsError | None = None
    schedule: Schedule | None = None
    window: tuple[int, int] | None = None
    evaluations: int = 0
    model: str = ""


def look(session: Session, text: str, counts: list[int], check: Callable[[], None] = lambda: None) -> list[Outlook]:
    """Plans a script.

    Args:
        session: Knows the kernel's variables.
        text: The script.
        counts: How many stages each form makes.
        check: Called for each line and stage; it raises to stop.

    Returns:
        An outlook for each form: of its first stage, where it makes several.

    Raises:
        JupyterLatentsError: The script itself cannot be planned.
    """
    from jupyter_latents.session import Task
    from jupyter_latents.syntax.script import Script

    with session.engine.scope(lambda _text, _matters: None):
        plan = session.plan(Task(Script(text)), check)
        return _outlooks(plan, counts, {name for row in session.holdings() for name in row.models})


def _outlooks(plan: Plan, counts: list[int], loaded: set[str]) -> list[Outlook]:
    """An outlook for each form; those behind a line that waits say so."""
    planned, found, position = plan.stages, [], 0
    for count in counts:
        stages = planned[position : position + count]
        found.append(_outlook(stages, loaded) if stages else Outlook(plan.waiting))
        position += count
    return found


def _outlook(stages: Sequence[PlannedStage], loaded: set[str]) -> Outlook:
    planned, several = stages[0], len(stages)
    schedule = _schedule(planned)
    if planned.later:
        return Outlook(planned.later, schedule=schedule)
    error = next((one.error for one in stages if one.error is not None), None)
    if error is not None or planned.span is None or schedule is None:
        return Outlook(error=error, schedule=schedule)
    span = planned.span
    parts = [
        schedule.in_words(span.start, span.end),
        f"{planned.evaluations} {'evaluation' if planned.evaluations == 1 else 'evaluations'}",
        f"× {several} results" if several > 1 else "",
        planned.verdict,
        *planned.notes,
    ]
    told = " · ".join(part for part in parts if part)
    evaluations = sum(one.evaluations for one in stages)
    return Outlook(told, None, schedule, (span.start, span.end), evaluations, _model(planned, loaded))


def _model(planned: PlannedStage, loaded: set[str]) -> str:
    """What a model is: its family, and what of its weights is to be loaded, or is."""
    course = planned.course
    if course is None:
        return ""
    name = course.stage.model.name
    size = readable(course.weights) if course.weights else ""
    if name in loaded:
        size = f"loaded, {size}" if size else "loaded"
    elif size:
        size = f"{size} to load"
    return " · ".join(part for part in (course.model.family, size) if part)


def _schedule(planned: PlannedStage) -> Schedule | None:
    """The schedule of a stage's model, scheduler and size; None where they cannot be had, which the plan has told."""
    course = planned.course
    if course is not None:
        levels = tuple(map(str, course.levels))
        own = tuple(level.own_sigma for level in course.levels)
        return Schedule(levels, course.timesteps, course.span.order, course.rule, course.train_timesteps, own)
    try:
        card = schedule_of(planned.stage)
    except JupyterLatentsError:
        return None
    own = tuple(level.own_sigma for level in card.levels)
    return Schedule(tuple(map(str, card.levels)), card.timesteps, card.order, card.rule, card.train_timesteps, own)


class Planner:
    """Asks for outlooks when typing pauses, one thread at a time; only the last question is answered.

    Args:
        answer: Is called in the thread with each question.
    """

    def __init__(self, answer: Callable[[str], None]) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._asked: str | None = None
        self._again = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False

    def ask(self, text: str) -> None:
        """Asks about a script; returns at once."""
        with self._lock:
            if self._closed:
                return
            self._asked = text
            self._again.set()
            if self._thread is None:
                self._thread = start_thread(self._work, "dgen-panel-planner", self.close)

    def check(self) -> None:
        """Goes on, unless something else was asked or nobody wants an answer.

        Raises:
            StoppedError: The present question is old.
        """
        if self._asked is not None or self._closed:
            raise StoppedError("the panel has changed since.")

    def wait(self, timeout: float = 30) -> None:
        """Waits until all is answered."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def close(self) -> None:
        """Answers no more."""
        with self._lock:
            self._closed, self._asked = True, None
            self._again.set()

    def _work(self) -> None:
        try:
            while (text := self._next()) is not None:
                self._answer(text)
        except BaseException:
            with self._lock:
                self._thread = None
            raise

    def _next(self) -> str | None:
        """The last question once no new one comes for a while; None when there is none, and the thread is to end."""
        while True:
            with self._lock:
                if self._asked is None:
                    self._thread = None  # under one lock with the look: a question from now on starts another
                    return None
            self._again.clear()
            if self._again.wait(_PAUSE):
                continue
            with self._lock:
                text, self._asked = self._asked, None
            if text is not None:
                return text
