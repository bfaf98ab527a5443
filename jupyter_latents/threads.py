"""Threads that see what their starter sees, and that are not cut off when the process ends.

A daemon thread that is inside torch while the interpreter goes away aborts the process. So each thread of this
package is asked to stop then, and waited for.
"""

from __future__ import annotations

import atexit
import contextvars
import threading
import time
from collections.abc import Callable
from weakref import WeakSet

__all__ = ["start_thread"]

_EXIT_SECONDS = 10.0
"""How long a process that ends waits for all of them."""

_STARTED: WeakSet[threading.Thread] = WeakSet()
_STOPS: dict[object, Callable[[], object]] = {}  # of the work that goes on; whoever has ended is held by nobody here


def start_thread(work: Callable[[], object], name: str, stop: Callable[[], object] | None = None) -> threading.Thread:
    """A started thread with this one's context variables, which notebook kernels need to route output.

    Args:
        work: What it does.
        name: The thread's name.
        stop: Asks it to end soon, once, when the process ends; None where it ends soon by itself.
    """
    key = object()
    if stop is not None:
        _STOPS[key] = stop

    def to_its_end() -> None:
        try:
            work()
        finally:
            _STOPS.pop(key, None)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(to_its_end,), name=name, daemon=True)
    thread.start()
    _STARTED.add(thread)
    return thread


@atexit.register
def _end() -> None:
    deadline = time.monotonic() + _EXIT_SECONDS
    for stop in tuple(_STOPS.values()):
        stop()
    for thread in tuple(_STARTED):
        thread.join(max(0.0, deadline - time.monotonic()))
