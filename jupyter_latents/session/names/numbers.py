r"""What scripts have of numpy: the functions that make and change arrays of numbers, after ``\import numpy as np``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from jupyter_latents.syntax import Library

__all__ = ["numbers"]

_MOST = 100_000
_MAKE = "arange array geomspace linspace logspace ones zeros full"
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
    """A function that is given no number of items beyond what a script may hold, and nothing to write into."""

    @wraps(function)
    def run(*arguments: Any, **keywords: Any) -> Any:
        if "out" in keywords or any(isinstance(one, str) for one in (*arguments, *keywords.values())):
            raise ValueError("it takes numbers and lists of numbers")
        if function.__name__ in _MAKE.split() and any(
            isinstance(one, (int, float)) and abs(one) > _MOST for one in (*arguments, *keywords.values())
        ):
            raise ValueError(f"numbers up to {_MOST} are the most here")
        return function(*arguments, **keywords)

    return run
