"""States brought from an accelerator to the CPU's memory, with one wait for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch

from jupyter_latents.engine.tap.states import StepState

__all__ = ["on_cpu"]


def on_cpu(states: Sequence[StepState]) -> list[StepState]:
    """The same states with all tensors in the CPU's memory; those that are there already stay as they are.

    A copy that is waited for makes the processor wait for all that the accelerator has queued. So all copies are queued
    first, into memory that the system leaves in place, and waited for together.

    Args:
        states: Of one run.
    """
    queued: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    for state in states:
        for tensor in _tensors((state.latents, state.denoised, state.scheduler)):
            if _is_far(tensor) and id(tensor) not in queued:
                queued[id(tensor)] = tensor, _queue(tensor)
    if not queued:
        return list(states)
    _wait([tensor for tensor, _ in queued.values()])
    near = {key: landed.clone() for key, (_, landed) in queued.items()}  # memory left in place is scarce
    return [
        replace(
            state,
            latents=_moved(state.latents, near),
            denoised=_moved(state.denoised, near),
            scheduler=_moved(state.scheduler, near),
        )
        for state in states
    ]


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def _moved(value: Any, near: Mapping[int, torch.Tensor]) -> Any:
    """A value with the copies in the place of its tensors."""
    if isinstance(value, torch.Tensor):
        return near.get(id(value), value)
    if isinstance(value, Mapping):
        return MappingProxyType({name: _moved(part, near) for name, part in value.items()})
    return type(value)(_moved(part, near) for part in value) if isinstance(value, (list, tuple)) else value


def _is_far(tensor: torch.Tensor) -> bool:
    return tensor.device.type != "cpu"


def _queue(tensor: torch.Tensor) -> torch.Tensor:
    """A copy of the same dtype and memory layout, which is whole when `_wait` has returned."""
    on_cuda = tensor.device.type == "cuda"
    landed = torch.empty_like(tensor, device="cpu", pin_memory=on_cuda)
    return landed.copy_(tensor, non_blocking=on_cuda)


def _wait(tensors: Sequence[torch.Tensor]) -> None:
    """Waits until the copies of all these tensors are whole."""
    cuda: Any = torch.cuda
    for device in {tensor.device for tensor in tensors if tensor.device.type == "cuda"}:
        cuda.current_stream(device).synchronize()
