"""Masks of any kind, as weights of the latents' size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F

from jupyter_latents.errors import SettingError

if TYPE_CHECKING:
    from PIL.Image import Image

    Mask: TypeAlias = Image | np.ndarray[Any, Any] | torch.Tensor
else:
    Mask = object

__all__ = ["Mask", "as_mask"]


def as_mask(mask: Mask, shape: tuple[int, ...], feather: float = 0.0) -> torch.Tensor:
    """The mask as weights 0 to 1 of the latents' height and width.

    Args:
        mask: A PIL image, array or tensor; see `jupyter_latents.latents.operations.mixing.composite`.
        shape: Shape of the latents.
        feather: Latent pixels over which edges fade (a Gaussian of a quarter of that standard deviation).

    Returns:
        float32, shape (1 or batch, 1, height/factor, width/factor); for clips one mask for all frames, with an axis for
        them.

    Raises:
        SettingError: Another shape, values outside 0 to 1, NaN, or a negative feather.
    """
    if not 0.0 <= feather < math.inf:
        raise SettingError(f"feather is {feather}; it is a number of picture pixels, 0 or more.")
    if len(shape) > 4 and (isinstance(mask, list | tuple) or getattr(mask, "ndim", 0) == 3):
        return _moving(mask, shape, feather)
    weights = _weights(mask)
    if weights.shape[0] not in (1, shape[0]) or weights.shape[1] != 1 or 0 in weights.shape:
        raise SettingError(
            f"the mask has shape {tuple(weights.shape)}; "
            f"expected (height, width) or (1 or {shape[0]}, 1, height, width)."
        )
    if not bool(((weights >= 0) & (weights <= 1)).all()):
        raise SettingError(
            "the mask has values outside 0 to 1 (or 0 to 255 in integers); 1 or white takes the second latents."
        )
    if weights.shape[2:] != shape[-2:]:
        weights = F.interpolate(weights, size=shape[-2:], mode="bilinear", antialias=True, align_corners=False)
    faded = _fade(weights, feather / 4).clamp(0.0, 1.0)
    return faded if len(shape) == 4 else faded.unsqueeze(2)


def _moving(masks: Any, shape: tuple[int, ...], feather: float) -> torch.Tensor:
    """Masks of one moment each, spread evenly over the time of a clip."""
    if len(masks) == 0:
        raise SettingError("the mask is an empty list; give one mask, or one for each of several moments.")
    still = (1, shape[1], *shape[-2:])
    moments = torch.cat([as_mask(one, still, feather) for one in masks], 1).flatten(2).transpose(1, 2)
    spread = F.interpolate(moments, shape[2], mode="linear", align_corners=True).transpose(1, 2)
    return spread.reshape(*spread.shape[:2], *still[-2:]).unsqueeze(1)


def _weights(mask: Mask) -> torch.Tensor:
    if hasattr(mask, "convert"):
        mask = np.array(mask.convert("L"))
    try:
        tensor = torch.as_tensor(mask.copy() if isinstance(mask, np.ndarray) else mask)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingError(f"the mask is a {type(mask).__name__}; give a PIL image, an array or a tensor.") from error
    if tensor.is_complex() or not 2 <= tensor.ndim <= 4:
        raise SettingError(f"the mask has shape {tuple(tensor.shape)}; expected (height, width).")
    whole = not tensor.is_floating_point() and tensor.dtype != torch.bool
    weights = tensor.detach().to("cpu", torch.float32)
    if whole and bool((weights > 1).any()):
        weights = weights / 255.0
    return weights.reshape(*(1,) * (4 - weights.ndim), *weights.shape)


def _fade(weights: torch.Tensor, deviation: float) -> torch.Tensor:
    if deviation == 0.0:
        return weights
    reach = max(1, math.ceil(3 * deviation))
    steps = torch.arange(-reach, reach + 1, dtype=weights.dtype)
    kernel = torch.exp(-0.5 * (steps / deviation).square())
    kernel = kernel / kernel.sum()
    padded = F.pad(weights, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
