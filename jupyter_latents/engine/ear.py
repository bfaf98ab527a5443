"""A stop is heard between two tensors: while weights are read, texts encoded, pictures encoded and decoded.

Loaders and models are other people's loops. What they all do is call torch; there the run's flag is asked. Steps are
left alone: they end whole. Nothing listens around a module that torch compiles, which would be compiled anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from torch.overrides import TorchFunctionMode

from jupyter_latents import stopping

__all__ = ["ear"]


class _StopHeard(BaseException):
    """Leaves other people's loops; no `Exception`, for loaders catch all of these."""


class _Ear(TorchFunctionMode):
    """Asks at each function of torch whether to stop, and then calls it as it was."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        _types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = MappingProxyType({}),
    ) -> Any:
        if stopping.asked():
            raise _StopHeard
        return func(*args, **(kwargs or {}))


@contextmanager
def ear() -> Iterator[None]:
    """Lets a stop end what is done inside, between two functions of torch; outside a run nothing changes.

    Raises:
        StoppedError: The run is to end.
    """
    if not stopping.heeds():
        yield
        return
    stopping.check()
    try:
        with _Ear():
            yield
    except _StopHeard:
        stopping.check()
        raise
