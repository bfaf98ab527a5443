"""One evaluation of a script that serves foresight and run: it stops where something is yet to be made, and goes on."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jupyter_latents.errors import JupyterLatentsError, Place, ScriptError
from jupyter_latents.wording import visible

from .invocation import Invocation
from .script import Script
from .templates.environment import Environment
from .templates.promises import Promise, Veiled

__all__ = ["Evaluation", "Foreseen", "Waiting"]

_LAST_WORD = re.compile(r"(?:^|(?<=\s))(?:(--?[A-Za-z][\w-]*)|(?<=[^\\]\n)[^\s-])|\A\s*\\")
_PATIENCE = 1.0
"""Seconds that a closed evaluation is given to end."""

_SEEDS = {"--image-seeds", "-is"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why an evaluation stopped before the script's end.

    Attributes:
        place: The line that it stopped at.
        names: What that line looks into.
        message: A sentence about it.
    """

    place: Place | None
    names: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Foreseen:
    """An invocation that is yet to run, and what it promises.

    Attributes:
        invocation: The invocation; `Invocation.real` has the environment's values in it.
        images: What ``last_images`` will hold; one that stands for all of it where their number is not known.
        into: What it will bind; None where it binds nothing.
    """

    invocation: Invocation
    images: tuple[Promise, ...]
    into: Promise | None


class _ClosedError(BaseException):
    """Nobody asks for the rest."""


def _count(invocation: Invocation) -> int | None:
    """How many results an invocation makes; None when only the run can tell."""
    return len(invocation.stages()) if invocation.first("batch_size", 1) == 1 else None


class _Worker:
    """The evaluating side. It and the asking side take turns; only one of them runs at a time."""

    def __init__(self, script: Script, environment: Environment, schedulers: Collection[str]) -> None:
        self.environment = environment
        self.steps: deque[Foreseen | str] = deque()
        self.waiting: Waiting | None = None
        self.error: BaseException | None = None
        self.ahead = self.ended = self.closed = False
        self.count: Callable[[Invocation], int | None] = _count
        self._check, environment.check = environment.check, self.check
        self._invocations = script.invocations(environment, schedulers=schedulers)
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def turn(self) -> None:
        """Lets the evaluation go on until it has something, waits, or ends; called by the asking side."""
        if self.ended:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="jupyter-latents-script", daemon=True)
            self._thread.start()
        self._go.release()
        try:
            self._back.acquire()
        except BaseException:  # an interrupt: the turn is not over, and never will be
            self.closed = True
            raise

    def check(self) -> None:
        """Goes on, unless somebody stops it or nobody asks for the rest."""
        if self.closed:
            raise _ClosedError
        self._check()

    def close(self) -> None:
        """Ends the evaluating side."""
        self.closed = True
        if self._thread is not None and self._thread is not threading.current_thread():
            self._go.release()
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        self._go.acquire()
        try:
            for invocation in self._invocations if not self.closed else ():
                self._add(invocation)
                if not self.ahead:
                    self._park()
        except _ClosedError:
            pass
        except BaseException as error:  # noqa: BLE001 - the asking side raises it
            if isinstance(error, JupyterLatentsError):
                error.rewritten(self.environment.hidden)
            self.error = error
        finally:
            self._invocations.close()  # type: ignore[attr-defined]
            self.ended = True
            self._back.release()

    def _park(self) -> None:
        self._back.release()
        self._go.acquire()
        if self.closed:
            raise _ClosedError

    def _add(self, invocation: Invocation) -> None:
        line = invocation.place.line if invocation.place else 0
        count, into = self.count(invocation), invocation.first("into")
        images = tuple(Promise("last_images", line, self) for _ in range(1 if count is None else count))
        bound = Promise(into, line, self) if into else None
        environment = self.environment
        environment.finished(images, [stage.prompt for stage in invocation.stages()])  # type: ignore[arg-type]
        environment.whole = images[0] if count is None else None
        if images and (invocation.first("output_path") or invocation.first("image_format")):
            environment.written = images[0]
        if bound is not None:
            environment.promised[into] = bound
        self.steps.append(Foreseen(invocation, images, bound))

    def wait(self, value: Promise) -> None:
        """Stops in front of a line until the value is there; on the asking side nobody would go on, so it returns."""
        while not value.made and threading.current_thread() is self._thread:
            if isinstance(value, Veiled) and not self.environment.foreseeing:
                value.fulfil(self.environment.unveiled(value.text))
                break
            place = self.environment.place
            where = f"line {place.line}" if place else "a line"
            self.waiting = Waiting(place, (value.name,), f"{where} depends on {value.reason}")
            self._park()
        self.waiting = None

    def write(self, value: Promise) -> str:
        """A name that stands for the value in an image seed; elsewhere its text, once it is there."""
        if threading.current_thread() is not self._thread:
            return f"({value.reason})"
        found = [match[1] for match in _LAST_WORD.finditer(self.environment.preceding)]
        if found and found[-1] in _SEEDS:
            return self.environment.capture(value)
        return str(value.look())

    def say(self, text: str) -> None:
        """Keeps what a script prints until its turn comes."""
        self.steps.append(text)


class Evaluation:
    r"""A script that is evaluated once: first as far as can be foreseen, then, with what its invocations made, on.

    ```python
    evaluation = Evaluation(script, environment, schedulers)
    foreseen = evaluation.ahead()      # nothing has run; `$NAME` stands for values of the environment
    why = evaluation.waiting           # None: all was foreseen
    for invocation in evaluation:      # those foreseen first, with the environment's values in them
        evaluation.finished(run(invocation))
    ```

    What an invocation is yet to make is a `Promise`. A template may hand it to ``--image-seeds``: then a made name
    stands in the seed, and ``environment.captured[name]`` is the promise (`promises.real` gives its value). A line that
    looks into one otherwise waits. What scripts print is printed when its turn comes in the run. `ahead` gives texts in
    which the environment's values are veiled: show them through ``environment.shown``; plan with ``invocation.real()``.
    What it prints, and what its errors say, has ``$NAME`` in their place; `current` is the veiled form of what runs.

    An evaluation whose rest nobody wants is ended by `close`, or when it is forgotten.

    Args:
        script: The script.
        environment: What it sees; this evaluation fills ``promised`` and ``last_images``.
        schedulers: Known scheduler names; where none are given, any name will do.
        count: Says how many results an invocation will make, None when only the run can tell. By default one a stage,
            and unknown where ``--batch-size`` is above 1.
    """

    def __init__(
        self,
        script: Script,
        environment: Environment,
        schedulers: Collection[str] = (),
        count: Callable[[Invocation], int | None] = _count,
    ) -> None:
        self.environment = environment
        self._worker = _Worker(script, environment, schedulers)
        self._worker.count = count
        self._print = environment.print
        self._current: Foreseen | None = None
        environment.print = self._worker.say
        environment.waits = self._worker
        environment.veils = True

    @property
    def waiting(self) -> Waiting | None:
        """Why `ahead` stopped before the script's end; None where it did not."""
        return self._worker.waiting

    @property
    def current(self) -> Invocation | None:
        """The invocation that was handed out last, as the script says it: the environment's values are veiled."""
        return self._current.invocation if self._current is not None else None

    @property
    def foreseen(self) -> list[Foreseen]:
        """The invocations of `ahead` that are still to run, with what they promise."""
        return [step for step in self._worker.steps if isinstance(step, Foreseen)]

    @property
    def printed(self) -> list[str]:
        """What the script printed ahead and nobody has seen yet, for display."""
        return [visible(self.environment.shown(step)) for step in self._worker.steps if isinstance(step, str)]

    def ahead(self) -> list[Invocation]:
        """Evaluates as far as can be told before anything runs.

        Returns:
            The invocations that are still to run, so far as they are known.

        Raises:
            ScriptError: Something is wrong, and where.
        """
        worker = self._worker
        if not worker.ended and worker.waiting is None:
            self.environment.foreseeing, worker.ahead = True, True
            worker.turn()
        if worker.error is not None:
            raise worker.error
        return [step.invocation for step in self.foreseen]

    def __iter__(self) -> Iterator[Invocation]:
        return self

    def __next__(self) -> Invocation:
        worker = self._worker
        while True:
            while worker.steps:
                step = worker.steps.popleft()
                if isinstance(step, Foreseen):
                    self._current = step
                    return step.invocation.real()
                self._print(visible(self.environment.hidden(step)))
            if worker.error is not None:
                raise worker.error
            if worker.ended or worker.closed:
                raise StopIteration
            self.environment.foreseeing = worker.ahead = False
            stuck = worker.waiting
            worker.turn()
            if worker.waiting is not None and worker.waiting == stuck and not worker.steps:
                raise ScriptError(f"The script cannot go on: {stuck.message}.", place=stuck.place)

    def finished(self, images: Iterable[object]) -> None:
        """Tells what the invocation handed out last has made; every reader of its promises sees it from now on.

        Args:
            images: Names of files, or names that stand for objects (`Environment.capture`), or the latents themselves.
        """
        step, made = self._current, list(images)
        if step is None:
            return
        share = len(made) // len(step.images) if step.images else 0
        even = share > 0 and share * len(step.images) == len(made)
        for index, promise in enumerate(step.images):
            part = made[index * share : (index + 1) * share] if even else made
            promise.fulfil(part[0] if len(part) == 1 and promise is not self.environment.whole else part)
        latest: list[Any] = self.environment.last_images
        if len(latest) == len(step.images) and all(a is b for a, b in zip(latest, step.images, strict=True)):
            latest[:] = [item if isinstance(item, str) else self.environment.capture(item) for item in made]
            self.environment.whole = None
        if step.into is not None and self.environment.promised.get(step.into.name) is step.into:
            del self.environment.promised[step.into.name]
        if step.into is not None:
            step.into.fulfil(self.environment.kernel.get(step.into.name, made[0] if len(made) == 1 else made))

    def close(self) -> None:
        """Ends the evaluation; its rest is not evaluated."""
        self._worker.close()

    def __del__(self) -> None:
        self._worker.close()
