"""The one flag that ends a run before its time, and the one question that all long work asks: `check`.

Who works for long inside a run calls `check()`, whatever room it stands in; outside a run that does nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jupyter_latents.errors import StoppedError

__all__ = ["Interrupted", "StopFlag", "asked", "check", "heeding", "heeds", "present"]


class Interrupted(KeyboardInterrupt):
    """An interrupt ended a run at a whole step; the message says what there is of it."""

    def _render_traceback_(self) -> list[str]:
        return [f"Interrupted: {self}"]


class StopFlag:
    """Says that a run is to end, or to hold.

    Attributes:
        held: Seconds for which the run has been paused.
        heard: Whether somebody asked and was told to end: a stop that comes after the last question ends nothing.
    """

    def __init__(self) -> None:
        self.held = 0.0
        self.heard = False
        self._stop = threading.Event()
        self._go_on = threading.Event()
        self._go_on.set()
        self._told: list[Callable[[], None]] = []
        self._listeners: list[Callable[[str], None]] = []

    @property
    def asked(self) -> bool:
        """Whether the run is to end."""
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        """Whether the run is to hold."""
        return not self._go_on.is_set()

    def stop(self) -> None:
        """Ends the run as soon as it asks; wakes it where it holds."""
        self._stop.set()
        self._go_on.set()
        for tell in tuple(self._told):
            tell()
        self._say("stop")

    def pause(self) -> None:
        """Holds the run where it next asks `hold`; not one that is to end."""
        self._go_on.clear()
        if self.asked:  # asked after the clearing: a stop in between would never wake the run
            self._go_on.set()
        else:
            self._say("pause")

    def resume(self) -> None:
        """Lets it go on."""
        self._go_on.set()
        self._say("resume")

    def on_stop(self, tell: Callable[[], None]) -> None:
        """Calls `tell` when the run is to end: of something that waits and cannot ask."""
        self._told.append(tell)

    @contextmanager
    def heard_by(self, listener: Callable[[str], None]) -> Iterator[None]:
        """Tells another process meanwhile what this flag is told, ``stop``, ``pause`` or ``resume``; as it is now, too.

        Args:
            listener: Is given the word, from the thread that says it; it returns at once.
        """
        self._listeners.append(listener)
        try:
            if self.asked or self.paused:
                listener("stop" if self.asked else "pause")
            yield
        finally:
            self._listeners.remove(listener)

    def _say(self, word: str) -> None:
        for listener in tuple(self._listeners):
            listener(word)

    def hold(self) -> bool:
        """Waits while paused; whether the run is to end."""
        if self.paused:
            began = time.monotonic()
            self._go_on.wait()
            self.held += time.monotonic() - began
        return self.hear()

    def hear(self) -> bool:
        """Whether the run is to end; who asks ends then."""
        asked = self.asked  # read once: a stop may come at any moment
        if asked:
            self.heard = True
        return asked

    def check(self) -> None:
        """Goes on, unless the run is to end.

        Raises:
            StoppedError: It is to end.
        """
        if self.hear():
            raise StoppedError("the run was stopped.")


_flag: ContextVar[StopFlag | None] = ContextVar("jupyter_latents_stop", default=None)


@contextmanager
def heeding(flag: StopFlag) -> Iterator[None]:
    """Has all work of this thread, and of threads that take over its context, heed a flag.

    Args:
        flag: The run's.
    """
    token = _flag.set(flag)
    try:
        yield
    finally:
        _flag.reset(token)


def present() -> StopFlag | None:
    """The flag that this work heeds; None outside a run."""
    return _flag.get()


def asked() -> bool:
    """Whether the run that this work belongs to is to end, as who asks then does; not outside a run."""
    flag = _flag.get()
    return flag is not None and flag.hear()


def check() -> None:
    """Goes on, unless the run that this work belongs to is to end.

    Raises:
        StoppedError: It is to end.
    """
    flag = _flag.get()
    if flag is not None:
        flag.check()


def heeds() -> bool:
    """Whether this work belongs to a run."""
    return _flag.get() is not None
