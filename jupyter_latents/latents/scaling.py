"""Between a VAE's own values and model space: the one place that shifts and scales them.

Written as (raw - mean) * scale / std and latents * std / scale + mean. The sources compute the same in different
orders, which differ in the last bit, so each keeps its own: the last lines of the diffusers pipelines, and our
``.latent`` files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from jupyter_latents.latents.spaces import Space

__all__ = ["Order", "Scaling", "scaling_of"]

# scale first: SD, SD3 and Flux; reciprocal: Wan and Qwen-Image pipelines, which divide by 1 / std; scale last: files;
# inverse: CogVideoX, which multiplies by 1 / scale.
Order: TypeAlias = Literal["scale first", "reciprocal", "scale last", "inverse"]


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """A pair of inverse functions.

    Attributes:
        mean: What is subtracted from raw values: one number or a tensor (1, channels, 1, 1), with one more axis for
            clips; None for nothing.
        std: Standard deviation of raw values, one number or a tensor (1, channels, 1, 1).
        scale: Scale of model space.
        order: The order of operations.
    """

    mean: torch.Tensor | float | None = None
    std: torch.Tensor | float = 1.0
    scale: float = 1.0
    order: Order = "scale first"

    def model_from_raw(self, raw: torch.Tensor) -> torch.Tensor:
        """Latents in model space, pictures or clips, from the VAE's own values of that shape."""
        shifted = raw if self.mean is None else raw - self.mean
        return shifted / self.std * self.scale if self.order == "scale last" else shifted * self.scale / self.std

    def raw_from_model(self, latents: torch.Tensor) -> torch.Tensor:
        """The inverse of `model_from_raw`."""
        if self.order == "reciprocal":
            spread = latents / (1.0 / self.std) / self.scale
        elif self.order == "scale last":
            spread = latents / self.scale * self.std
        elif self.order == "inverse":
            spread = 1 / self.scale * latents
        else:
            spread = latents * self.std / self.scale
        return spread if self.mean is None else spread + self.mean


def scaling_of(space: Space, like: torch.Tensor) -> Scaling:
    """The numbers of a space, in the dtype of `like`, in the order of our ``.latent`` files."""

    def channelwise(values: tuple[float, ...], otherwise: float) -> torch.Tensor | float:
        return torch.tensor(values, dtype=like.dtype).view(1, -1, *(1,) * (like.dim() - 2)) if values else otherwise

    mean, std = channelwise(space.channel_mean, space.shift_factor), channelwise(space.channel_std, 1.0)
    return Scaling(mean, std, space.scaling_factor, "scale last")
