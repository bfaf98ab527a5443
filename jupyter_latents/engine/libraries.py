"""The libraries that the engine of this process needs: seconds of imports, in which a stop is heard between two."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module

from jupyter_latents import stopping

__all__ = ["import_libraries"]

_LIBRARIES = ("torch", "transformers", "diffusers", "diffusers.models", "jupyter_latents.engine.local")
"""In the order in which they need each other. None may be left half imported: torch cannot be imported again then."""


def import_libraries(tell: Callable[[], None]) -> None:
    """Imports what is not there yet.

    Args:
        tell: Called first, where something is to be imported.

    Raises:
        StoppedError: The run that this belongs to is to end.
    """
    lacking = [name for name in _LIBRARIES if name not in sys.modules]
    if lacking:
        tell()
    for name in lacking:
        stopping.check()
        import_module(name)
