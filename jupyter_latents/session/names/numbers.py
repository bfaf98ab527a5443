r"""What scripts have of numpy: the functions that make and change arrays of numbers, after ``\import numpy as np``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from jupyter_latents.syntax import Library

__all__ = ["numbers"]

_MOST = 100_000
_MAKE = "arange array geomspace linspace logspace ones zeros full"
_SHAPED = ("ones", "zeros", "full")
_PAIRED = ("clip", "maximum", "minimum", "power")
_SPREAD = ("geomspace", "linspace", "logspace")
_CHANGE = (
    "abs ceil clip concatenate cos cumsum diff exp flip floor log log10 log2 max maximum mean median min minimum power "
    "rint round sin sort sqrt std sum tan tanh"
)


@cache
def numbers() -> Library:
    """The functions of numpy."""
    import numpy as np

    members: dict[str, Any] = {name: _bounded(getattr(np, name)) for name in f"{_MAKE} {_CHANGE}".split()}
    return Library("numpy", {**members, "pi": float(np.pi), "e": float(np.e)})


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes no more items than a script may hold, and is given nothing to write into."""

    @wraps(function)
    def run(*arguments: Any, **keywords: Any) -> Any:
        given = (*arguments, *keywords.values())
        if "out" in keywords or any(isinstance(one, str) for one in given):
            raise ValueError("it takes numbers and lists of numbers")
        if _items(function.__name__, given) > _MOST:
            raise ValueError(f"numbers up to {_MOST}, and as many items, are the most here")
        return function(*arguments, **keywords)

    return run


def _items(name: str, given: tuple[Any, ...]) -> float:
    """How many items a function makes at most; the largest of its numbers, where that alone is one too many."""
    import numpy as np

    numbers = [abs(one) for one in given if isinstance(one, (int, float))]
    if name == "concatenate":
        return float(sum(map(np.size, given[0])))
    if name == "arange":
        begin, end, step = (*given, 1)[:3] if len(given) > 1 else (0, *given, 1)
        return max(*numbers, abs(end - begin) / abs(step) if step else 0)
    if name in _SHAPED and given and isinstance(given[0], (list, tuple)):
        return float(np.prod([float(one) for one in given[0]]))
    if name in _PAIRED:
        return float(np.prod([float(side) for side in np.broadcast_shapes(*map(np.shape, given))]))
    sizes = max((np.size(one) for one in given if one is not None), default=0)
    if name in _MAKE.split():
        most = max(numbers, default=0)
        return most * sizes if name in _SPREAD else max(most, sizes)
    return sizes
