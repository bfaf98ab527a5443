"""The libraries that the engine of this process needs: seconds of imports, in which a stop is heard between two."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

from jupyter_latents import stopping

__all__ = ["await_imports", "import_libraries", "libraries_imported"]

_LIBRARIES = ("torch", "transformers", "diffusers", "diffusers.models", "jupyter_latents.engine.local")
"""In the order in which they need each other. None may be left half imported: torch cannot be imported again then."""

_ASK_SECONDS = 0.1
"""How often a run that waits for another thread's imports asks whether it is to stop."""

_LOOK_SECONDS = 0.02
"""How often a cell that waits for imports looks."""

_importing = threading.Lock()
"""One thread at a time: two that import parts of one library may each wait for the other."""


def import_libraries(tell: Callable[[str], None], *more: str) -> None:
    """Imports what is not there yet, after what another thread is importing.

    Args:
        tell: Called before what takes its time, with which library it is and how far all are: ``torch, 1 of 5``.
        more: Modules to import after the libraries.

    Raises:
        StoppedError: The run that this belongs to is to end.
    """
    with _alone(tell):
        for number, name in enumerate(_LIBRARIES):
            stopping.check()
            if name not in sys.modules:
                tell(_how_far(number))
                stopping.check()
            import_module(name)
        if more:
            _import_quietly(more)


def libraries_imported() -> bool:
    """Whether all of the libraries are there, and no thread is importing any."""
    return not _importing.locked() and all(name in sys.modules for name in _LIBRARIES)


def await_imports(after: float, tell: Callable[[str], None]) -> None:
    """Waits until no thread is importing libraries: code that imports a part of one meanwhile breaks both imports.

    An interrupt does not end the wait: that code would run then.

    Args:
        after: Seconds after which a wait is told.
        tell: Called with what to tell a person.
    """
    late = time.monotonic() + after
    said = list[str]()
    while True:
        try:
            while said:
                tell(said.pop())
            if not _importing.locked():  # asked, and never taken here: an interrupt would leave it so
                return
            if time.monotonic() < late:
                time.sleep(_LOOK_SECONDS)
                continue
            late = math.inf
            said.append(
                f"this cell begins when {_how_far(_under_way()).partition(',')[0]} is imported, for the stages."
            )
        except KeyboardInterrupt:
            said.append(
                "interrupted before it began, in an import that must not be cut; interrupt this cell again then."
            )


def _import_quietly(names: tuple[str, ...]) -> None:
    """Imports what no run tells of: what libraries say of themselves meanwhile would stand in somebody's cell."""
    from jupyter_latents.engine.libraries.quiet import silenced

    with silenced():
        for name in names:
            stopping.check()
            import_module(name)


def _how_far(number: int) -> str:
    return f"{_LIBRARIES[number].partition('.')[0]}, {number + 1} of {len(_LIBRARIES)}"


def _under_way() -> int:
    """Which library another thread imports now: the last one that has begun."""
    return max((number for number, name in enumerate(_LIBRARIES) if name in sys.modules), default=0)


@contextmanager
def _alone(tell: Callable[[str], None]) -> Iterator[None]:
    told = -1
    while not _importing.acquire(timeout=0 if told < 0 else _ASK_SECONDS):
        if told != _under_way():
            told = _under_way()
            tell(_how_far(told))
        stopping.check()
    try:
        yield
    finally:
        _importing.release()
