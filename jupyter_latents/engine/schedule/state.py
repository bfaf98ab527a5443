"""What stepping changes of a scheduler, taken from one that this package made and given back to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch

from jupyter_latents.latents.facts import StateValue

__all__ = ["MOVED", "Baseline", "baseline", "of", "restore"]

MOVED = "moved"
"""Beside a scheduler's own attributes: names of tables that its run has moved, as ``add_noise`` does, to its device."""

_MISSING = object()
# Attributes that each run makes anew: a Brownian tree from its seed (a function of time, not of history), begin index.
_REBUILT = frozenset({"noise_sampler", "_begin_index"})


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a scheduler's attributes are before its first step.

    Attributes:
        values: Name to value; lists copied, as schedulers change them in place.
        moved: Tables as they were last found elsewhere, so that each is compared once.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    moved: dict[str, Any] = field(default_factory=dict)


def baseline(scheduler: Any) -> Baseline:
    """What a scheduler's attributes are before its first step."""
    return Baseline(
        {name: list(value) if isinstance(value, list) else value for name, value in vars(scheduler).items()}
    )


def of(scheduler: Any, before: Baseline) -> Mapping[str, StateValue] | None:
    """The attributes that stepping has changed, tensors cloned where they are.

    A table that is another tensor of the same values was moved to the device: of it the name alone is kept, since
    accelerators round otherwise by numbers of their own than by the CPU's.

    Args:
        scheduler: A scheduler in the middle of its schedule.
        before: `baseline` of it after ``set_timesteps``.

    Returns:
        Name to value; None where an attribute of an unknown kind changed, so that exact continuation cannot be
        promised.
    """
    changed: dict[str, Any] = {}
    for name, value in vars(scheduler).items():
        if name in _REBUILT or _same(value, before.values.get(name, _MISSING)):
            continue
        if _is_moved(value, name, before):
            changed[MOVED] = (*changed.get(MOVED, ()), name)
            continue
        if not _travels(value):
            return None
        changed[name] = _copy(value)
    return MappingProxyType(changed)


def restore(scheduler: Any, saved: Mapping[str, Any], device: torch.device) -> None:
    """Gives a scheduler that this package made the state of an earlier run.

    Args:
        scheduler: A scheduler after ``set_timesteps`` with the same schedule.
        saved: What `of` returned.
        device: Where its history tensors go, and the tables that the earlier run had moved.
    """
    for name, value in saved.items():
        if name == MOVED:
            for table in value:
                setattr(scheduler, table, getattr(scheduler, table).to(device))
        elif not hasattr(type(scheduler), name):
            setattr(scheduler, name, _copy(value, device))


def _same(value: Any, before: Any) -> bool:
    if value is before:
        return True
    if isinstance(value, list) and isinstance(before, list):
        return len(value) == len(before) and all(new is old for new, old in zip(value, before, strict=True))
    if isinstance(value, torch.Tensor) or isinstance(before, torch.Tensor):
        return False
    return type(value) is type(before) and bool(value == before)


def _is_moved(value: Any, name: str, before: Baseline) -> bool:
    own = before.values.get(name)
    if before.moved.get(name, _MISSING) is value:
        return True
    if not (isinstance(value, torch.Tensor) and isinstance(own, torch.Tensor)) or value.shape != own.shape:
        return False
    if value.dtype != own.dtype or not torch.equal(value.cpu(), own.cpu()):
        return False
    before.moved[name] = value
    return True


def _travels(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_travels(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str, torch.Tensor))


def _copy(value: Any, device: torch.device | None = None) -> Any:
    if isinstance(value, torch.Tensor):
        copied = value.detach().clone()
        return copied.to(device) if device is not None and copied.dim() > 0 else copied
    if isinstance(value, (list, tuple)):
        return type(value)(_copy(item, device) for item in value)
    return value
