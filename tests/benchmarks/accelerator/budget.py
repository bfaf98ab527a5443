"""Seconds: the share of each section, an alarm that cuts one, and a last resort that ends the process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Clock", "OutOfTimeError", "alarm", "last_resort"]

_GRACE = 3.0  # seconds after a section's end before the alarm: between rows it looks at its clock itself


class OutOfTimeError(Exception):
    """A section's share is used up in the middle of a row."""


class Clock:
    """Counts down.

    Args:
        seconds: How many.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self._end = seconds, time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left; below 0 when it is over."""
        return self._end - time.monotonic()


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raises `OutOfTimeError` in the block when the time is over; in the main thread, where there are such signals."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, frame: FrameType | None) -> None:
        if _is_importing(frame):  # a module that is cut in the middle spoils all that need it
            signal.setitimer(signal.ITIMER_REAL, 1.0)
            return
        raise OutOfTimeError(f"cut after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(0.01, seconds + _GRACE))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if "importlib._bootstrap" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def last_resort(seconds: float, write: Callable[[], object]) -> threading.Timer:
    """Ends the process after so many seconds, whatever it does then; gives the timer, to be cancelled.

    Args:
        seconds: How many.
        write: Called before.
    """

    def end() -> None:
        try:
            write()
        finally:
            os._exit(3)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer
