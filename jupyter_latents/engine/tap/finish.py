"""What pipelines do to their latents after the loop, which a run that ends inside the loop does by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

__all__ = ["FINISHES", "Finish"]

Finish = Callable[[torch.Tensor, tuple[Any, ...]], torch.Tensor]
"""The latents after the last step, and what ``prepare_latents`` returned beside its latents, to the pipeline's own."""


def _first_frame(latents: torch.Tensor, beside: tuple[Any, ...]) -> torch.Tensor:
    """WanImageToVideoPipeline with ``expand_timesteps``: the first frame is that of the picture."""
    if len(beside) != 2:  # from a text alone
        return latents
    condition, mask = beside
    blended: torch.Tensor = (1 - mask) * condition + mask * latents
    return blended


FINISHES: Mapping[str, Finish] = MappingProxyType({"": lambda latents, _beside: latents, "first frame": _first_frame})
