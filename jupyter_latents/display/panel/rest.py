"""Clicks that wait until the fields have come to rest.

A front end keeps a field's change back while another one is under way, and a click overtakes it: what reads all fields
would read old ones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jupyter_latents.threads import start_thread

__all__ = ["Clicks"]

_NAME = "dgen-panel-rest"
_REST = 0.25  # Seconds without a change after which a front end has sent all of them.


class Clicks:
    """Does what was asked for when no field has changed for a while, in a thread, in order, each thing once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._acts: dict[str, Callable[[], None]] = {}
        self._changes = 0
        self._thread: threading.Thread | None = None

    def changed(self) -> None:
        """A field has changed; the wait begins anew."""
        self._changes += 1

    def ask(self, name: str, act: Callable[[], None]) -> None:
        """Asks for something; what waits already is not done twice.

        Args:
            name: Its name.
            act: Does it.
        """
        with self._lock:
            self._acts.setdefault(name, act)
            if self._thread is None or not self._thread.is_alive():
                self._thread = start_thread(self._work, _NAME)

    def waits(self, name: str) -> bool:
        """Whether something was asked for and has not begun."""
        return name in self._acts

    def cancel(self, name: str) -> bool:
        """Forgets what has not begun; tells whether there was something to forget."""
        with self._lock:
            return self._acts.pop(name, None) is not None

    def wait(self, timeout: float = 60) -> None:
        """Waits until everything that was asked for has been done.

        Args:
            timeout: Seconds at most.
        """
        thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _work(self) -> None:
        try:
            while self._is_asked():
                changes = self._changes
                time.sleep(_REST)
                if changes == self._changes and (act := self._next()) is not None:
                    act()
        except BaseException:
            with self._lock:  # what waits is done all the same
                self._thread = start_thread(self._work, _NAME) if self._acts else None
            raise

    def _is_asked(self) -> bool:
        """Whether anything waits; where nothing does, the next to ask starts another thread."""
        with self._lock:
            if not self._acts:
                self._thread = None
            return bool(self._acts)

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            return self._acts.pop(next(iter(self._acts))) if self._acts else None
