"""Of which kind each fact of latents is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

from jupyter_latents.errors import LatentsError
from jupyter_latents.latents.arguments import shown
from jupyter_latents.latents.facts import Noise, Position, Provenance, Resume, Space

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["check_facts"]

_KINDS: Mapping[str, tuple[type, str]] = MappingProxyType(
    {
        "space": (Space, "give its name in replace(space='sdxl') or a Space"),
        "noise": (Noise, "give CLEAN or Noise(sigma, form)"),
        "position": (Position, "give a Position"),
        "resume": (Resume, "give a Resume"),
        "provenance": (Provenance, "give a Provenance"),
    }
)


def check_facts(latents: Latents) -> None:
    """Raises unless each fact of `latents` is of its kind; callers may give anything."""
    for name, (kind, advice) in _KINDS.items():
        fact = getattr(latents, name)
        if not isinstance(fact, kind) and not (fact is None and name != "provenance"):
            raise LatentsError(f"the {name} of latents is {shown(fact)}; {advice}.")
    denoised: object = latents.denoised
    if denoised is not None and not isinstance(denoised, torch.Tensor):
        raise LatentsError(f"the clean estimate (denoised) is {shown(denoised)}; it is a tensor, or None.")
    if isinstance(denoised, torch.Tensor) and denoised.shape != latents.tensor.shape:
        raise LatentsError(
            f"the clean estimate (denoised) has shape {tuple(denoised.shape)} and the latents {latents.shape}; they "
            "are equal. Give both in replace(tensor=..., denoised=...), None where the estimate is not known."
        )
    steps: object = latents.trajectory
    if not isinstance(steps, Sequence) or not all(isinstance(step, type(latents)) for step in steps):
        raise LatentsError(f"the trajectory of latents is {shown(steps)}; it is a sequence of latents.")
