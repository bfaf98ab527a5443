"""The evaluating side of an evaluation: a thread that takes turns with the one who asks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from jupyter_latents.errors import JupyterLatentsError, Place
from jupyter_latents.threads import start_thread

from .invocation import Invocation
from .script import Script
from .templates.environment import Environment
from .templates.promises import AtRun, Drawn, Promise
from .templates.veiled import Veiled

__all__ = ["Foreseen", "Said", "Waiting", "Worker", "count"]

_PATIENCE = 1.0
"""Seconds that a closed evaluation is given to end."""


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


@dataclass(frozen=True, slots=True)
class Said:
    """A line that is to be shown when its turn comes.

    Attributes:
        text: The line.
        warning: Whether it says that the script is read otherwise than it seems.
    """

    text: str
    warning: bool = False


class _ClosedError(BaseException):
    """Nobody asks for the rest."""


def count(invocation: Invocation) -> int | None:
    """How many results an invocation makes; None when only the run can tell."""
    return len(invocation.stages()) if invocation.first("batch_size", 1) == 1 else None


class Worker:
    """The evaluating side. It and the asking side take turns; only one of them runs at a time."""

    def __init__(self, script: Script, environment: Environment, schedulers: Collection[str]) -> None:
        self.environment = environment
        self.steps: deque[Foreseen | Said] = deque()
        self.waiting: Waiting | None = None
        self.error: BaseException | None = None
        self.ahead = self.ended = self.closed = False
        self.count: Callable[[Invocation], int | None] = count
        self._check, environment.check = environment.check, self.check
        self._invocations = script.invocations(environment, schedulers=schedulers)
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def turn(self) -> None:
        """Lets the evaluation go on until it has something, waits, or ends; called by the asking side."""
        if self.ended:
            return
        if self._thread is None:
            self._thread = start_thread(self._run, "jupyter-latents-script", self.close)
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
        number, into = self.count(invocation), invocation.first("into")
        images = tuple(Promise("last_images", line, self) for _ in range(1 if number is None else number))
        bound = Promise(into, line, self) if into else None
        environment = self.environment
        environment.ending = ""
        environment.finished(images, [stage.prompt for stage in invocation.stages()])  # type: ignore[arg-type]
        environment.whole = images[0] if number is None else None
        if images and (invocation.first("output_path") or invocation.first("image_format")):
            environment.written = images[0]
        if bound is not None:
            environment.promised[into] = bound
        self.steps.append(Foreseen(invocation, images, bound))

    def wait(self, value: Promise) -> None:
        """Stops in front of a line until the value is there; on the asking side nobody would go on, so it returns."""
        while not value.made and threading.current_thread() is self._thread:
            if isinstance(value, (AtRun, Veiled)) and not self.environment.foreseeing:
                break  # the run reads it
            if isinstance(value, Drawn) and not self.environment.foreseeing:
                value.fulfil(value.text)
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
        if self.environment.in_seed:
            return self.environment.capture(value)
        return str(value.look())

    def say(self, text: str) -> None:
        """Keeps what a script prints until its turn comes."""
        self.steps.append(Said(text))

    def warn(self, text: str) -> None:
        """Keeps a warning likewise."""
        self.steps.append(Said(text, warning=True))
