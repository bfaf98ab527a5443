"""What functions of the libraries take: asked for each stage, several times, and worked out once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["parameters_of"]

_known: WeakKeyDictionary[Any, Mapping[str, inspect.Parameter]] = WeakKeyDictionary()


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Name to parameter of a function; a method's ``self`` is among them.

    Args:
        function: The function; what is known of it is forgotten with it.
    """
    function = getattr(function, "__func__", function)
    try:
        found = _known.get(function)
        if found is None:
            found = _known[function] = inspect.signature(function).parameters
    except TypeError:  # one that is built in: nothing can wait for its end
        return inspect.signature(function).parameters
    return found
