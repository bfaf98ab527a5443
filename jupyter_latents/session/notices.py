"""The warnings of this package, told to whoever watches a run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jupyter_latents.errors import LatentsWarning

__all__ = ["own_warnings"]


@contextmanager
def own_warnings(tell: Callable[[str], None]) -> Iterator[None]:
    """Hands this package's warnings, such as of a damaged file, to `tell` at the end; all others go on their way.

    Args:
        tell: Is given one text at a time.
    """
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", LatentsWarning)  # a kernel that ignores warnings is to be told all the same
            yield
    finally:
        for one in caught:
            if issubclass(one.category, LatentsWarning):
                tell(str(one.message))
            else:
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
