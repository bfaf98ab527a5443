"""What pipelines do to their latents after the loop, and what their schedulers step, where that is not all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch

from jupyter_latents.latents.packing import to_tokens

__all__ = ["FINISHES", "Finish"]


@dataclass(frozen=True, slots=True)
class Finish:
    """A row.

    Attributes:
        latents: The latents after the last step, and what ``prepare_latents`` returned beside its latents, to the
            pipeline's own.
        estimate: The clean estimate of what the scheduler stepped, and the latents after that step, to one of all.
    """

    latents: Callable[[torch.Tensor, tuple[Any, ...]], torch.Tensor] = lambda latents, _beside: latents
    estimate: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = lambda estimate, _latents: estimate


def _first_frame(latents: torch.Tensor, beside: tuple[Any, ...]) -> torch.Tensor:
    """WanImageToVideoPipeline with ``expand_timesteps``: the first frame is that of the picture."""
    if len(beside) != 2:  # from a text alone
        return latents
    condition, mask = beside
    blended: torch.Tensor = (1 - mask) * condition + mask * latents
    return blended


def _with_first_frame(estimate: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    """LTXImageToVideoPipeline steps the frames after the first, unpacked; the first is that of the picture."""
    if estimate.dim() == latents.dim():  # from a text alone
        return estimate
    first = estimate.shape[-2] * estimate.shape[-1]
    return torch.cat([latents[:, :first].to(estimate.dtype), to_tokens(estimate)], dim=1)


FINISHES: Mapping[str, Finish] = MappingProxyType(
    {"": Finish(), "first frame": Finish(_first_frame), "frames after the first": Finish(estimate=_with_first_frame)}
)
