"""In which order tensors lie in memory: kernels round by it, exact continuation needs it, and the files know none."""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch

__all__ = ["laid_out", "orders_record"]

_LAST = {4: [0, 2, 3, 1], 5: [0, 2, 3, 4, 1]}  # channels last: all that earlier versions kept, as a list of names


def orders_record(tensors: Mapping[str, torch.Tensor]) -> dict[str, list[int]]:
    """Name to its dimensions from the slowest to the fastest in memory, of those that do not lie in their own order.

    Args:
        tensors: Name to tensor. One that is spread in memory, as a slice of another is, lies in its own order.
    """
    return {name: order for name, tensor in sorted(tensors.items()) if (order := _order(tensor)) is not None}


def _order(tensor: torch.Tensor) -> list[int] | None:
    if tensor.is_contiguous():
        return None
    strides = tensor.stride()
    order = sorted(range(tensor.dim()), key=lambda one: -strides[one])
    return order if tensor.permute(order).is_contiguous() else None


def laid_out(tensor: torch.Tensor, name: str, record: str) -> torch.Tensor:
    """A tensor in the memory order that it had when it was written; as it is where the record does not know it.

    Args:
        tensor: What the file holds.
        name: Under which name.
        record: The JSON text of `orders_record`, or an earlier version's list of names.
    """
    try:
        known = json.loads(record) if record else {}
    except ValueError:
        return tensor
    if isinstance(known, list):
        known = {name: _LAST.get(tensor.dim())} if name in known else {}
    order = known.get(name) if isinstance(known, dict) else None
    if not isinstance(order, list) or sorted(order, key=str) != list(range(tensor.dim())):
        return tensor
    back = [order.index(one) for one in range(tensor.dim())]
    return tensor.permute(order).contiguous().permute(back)
