"""The most bytes that a computation holds at once: of tensors without values, or measured by torch's profiler."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

__all__ = ["foreseen", "measured"]


class _Attention(TorchFunctionMode):
    """Attention takes no more than what it makes, as its kernels on accelerators do."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.nn.functional.scaled_dot_product_attention:
            query, _, value = args[:3] if len(args) > 2 else (kwargs["query"], kwargs["key"], kwargs["value"])
            return query.new_empty((*query.shape[:-1], value.shape[-1]))
        return function(*args, **(kwargs or {}))


class _Live(TorchDispatchMode):
    """Counts the storages that operations make, as long as a tensor holds them."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.most = 0, 0
        self._holders: Counter[int] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in tree_iter(made):
            if isinstance(tensor, torch.Tensor):
                self._hold(tensor)
        return made

    def _hold(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if not self._holders[key]:
            self.now += size
            self.most = max(self.most, self.now)
        self._holders[key] += 1
        weakref.finalize(tensor, self._leave, key, size)

    def _leave(self, key: int, size: int) -> None:
        self._holders[key] -= 1
        if not self._holders[key]:
            self.now -= size
            del self._holders[key]


def foreseen(work: Callable[[], Any]) -> int:
    """Bytes beside what is there before, of work on tensors of the ``meta`` device, which have no values."""
    live = _Live()
    with torch.no_grad(), _Attention(), live:
        work()
    return live.most


def measured(work: Callable[[], Any]) -> int:
    """The same of work that is done, as torch's profiler saw its memory."""
    with torch.no_grad(), torch.profiler.profile(profile_memory=True) as profile:
        work()
    events: Any = profile.profiler
    now = most = 0
    for event in sorted(events.kineto_results.events(), key=lambda one: one.start_ns()):
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most
