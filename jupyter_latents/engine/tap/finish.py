"""What pipelines do to their latents in and after the loop, and what their schedulers step, beyond the usual."""

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
        estimate: The clean estimate of what the scheduler stepped, the latents after that step, and what is beside
            them, to one of all.
        begin: Latents that a run starts from, those that ``prepare_latents`` made, and what is beside them, to what the
            loop starts from.
        draws_first: Whether the loop draws from the generator before the scheduler steps, and nothing draws between
            ``prepare_latents`` and the loop.
        said: Dtype in which the loop tells the scheduler what the denoiser said; None for the denoiser's own.
    """

    latents: Callable[[torch.Tensor, tuple[Any, ...]], torch.Tensor] = lambda latents, _beside: latents
    estimate: Callable[[torch.Tensor, torch.Tensor, tuple[Any, ...]], torch.Tensor] = (
        lambda estimate, _latents, _beside: estimate
    )
    begin: Callable[[torch.Tensor, torch.Tensor, tuple[Any, ...]], torch.Tensor] = lambda given, _own, _beside: given
    draws_first: bool = False
    said: torch.dtype | None = None


def _first_frame(latents: torch.Tensor, beside: tuple[Any, ...]) -> torch.Tensor:
    """WanImageToVideoPipeline with ``expand_timesteps``: the first frame is that of the picture."""
    if len(beside) != 2:  # from a text alone
        return latents
    condition, mask = beside
    blended: torch.Tensor = (1 - mask) * condition + mask * latents
    return blended


def _with_first_frame(estimate: torch.Tensor, latents: torch.Tensor, _beside: tuple[Any, ...]) -> torch.Tensor:
    """LTXImageToVideoPipeline steps the frames after the first, unpacked; the first is that of the picture."""
    if estimate.dim() == latents.dim():  # from a text alone
        return estimate
    first = estimate.shape[-2] * estimate.shape[-1]
    return torch.cat([latents[:, :first].to(estimate.dtype), to_tokens(estimate)], dim=1)


def _conditioned(values: torch.Tensor, own: torch.Tensor, beside: tuple[Any, ...]) -> torch.Tensor:
    """LTXConditionPipeline makes the tokens of a picture anew before each step, from those that it prepared."""
    mask = beside[0]
    return values if mask is None else torch.where((mask == 1).unsqueeze(-1), own.to(values), values)


FINISHES: Mapping[str, Finish] = MappingProxyType(
    {
        "": Finish(),
        "float32": Finish(said=torch.float32),
        "first frame": Finish(_first_frame),
        "frames after the first": Finish(estimate=_with_first_frame),
        "conditioned": Finish(estimate=_conditioned, begin=_conditioned, draws_first=True),
    }
)
