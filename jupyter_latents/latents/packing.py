"""Packed latents: the tokens that the loops of Flux, Qwen-Image and Flux.2 hold, and the way to and from them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from jupyter_latents.errors import LatentsError, SettingError
from jupyter_latents.latents.arguments import numbers, shown
from jupyter_latents.latents.spaces import Space

__all__ = ["advice", "from_tokens", "looks_packed", "patchify", "picture_size", "to_tokens", "unpack", "unpatchify"]

# What tokens of so many values are where nobody said the space: channels, factor and the name of the family.
_LIKELY = {64: (16, 8, "Flux's or Qwen-Image's"), 128: (128, 16, "Flux.2's")}


def patchify(latents: torch.Tensor) -> torch.Tensor:
    """(b, c, h, w) to (b, 4c, h/2, w/2)."""
    batch, channels, height, width = latents.shape
    patches = latents.view(batch, channels, height // 2, 2, width // 2, 2).permute(0, 1, 3, 5, 2, 4)
    return patches.reshape(batch, channels * 4, height // 2, width // 2)


def unpatchify(patches: torch.Tensor) -> torch.Tensor:
    """(b, 4c, h/2, w/2) to (b, c, h, w)."""
    batch, channels, height, width = patches.shape
    latents = patches.reshape(batch, channels // 4, 2, 2, height, width).permute(0, 1, 4, 2, 5, 3)
    return latents.reshape(batch, channels // 4, height * 2, width * 2)


def to_tokens(latents: torch.Tensor) -> torch.Tensor:
    """(b, c, h, w) to (b, h*w, c)."""
    return latents.flatten(2).transpose(1, 2)


def from_tokens(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(b, h*w, c) to (b, c, h, w)."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], height, width)


def looks_packed(shape: Sequence[int], space: Space | None = None) -> bool:
    """Whether a tensor of this shape may be packed latents (batch, tokens, channels)."""
    widths = (space.channels, 4 * space.channels) if space else tuple(_LIKELY)
    return len(shape) == 3 and 0 not in shape and shape[2] in widths


def picture_size(size: object) -> tuple[int, int]:
    """A picture's (width, height) in pixels.

    Raises:
        SettingError: It is something else.
    """
    found = numbers(size, 2)
    if found is None or not all(isinstance(side, int) and side > 0 for side in found):
        raise SettingError(f"size is {shown(size)}; give the picture's (width, height) in pixels.")
    return int(found[0]), int(found[1])


def unpack(tokens: torch.Tensor, size: tuple[int, int], space: Space | None) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Latents (batch, channels, height/factor, width/factor) out of packed ones, and what was assumed.

    Mirrors diffusers' ``FluxPipeline._unpack_latents`` and ``Flux2Pipeline._unpack_latents_with_ids``.

    Args:
        tokens: (batch, tokens, channels of one, or of 2 x 2 patches).
        size: The picture's (width, height) in pixels.
        space: The space, when known.

    Raises:
        LatentsError: The tokens are no picture of that size.
    """
    count, width = tokens.shape[1:]
    channels, factor, whose = (space.channels, space.factor, "") if space else _LIKELY[width]
    side = 1 if width == channels else 2  # latent pixels of a token, each way
    across, down = size[0] // (factor * side), size[1] // (factor * side)
    if across * down != count:
        raise LatentsError(
            f"packed latents of {count} tokens are no picture of {size[0]} by {size[1]} pixels, which has "
            f"{across * down}{_square(count, factor * side)}."
        )
    latents = from_tokens(tokens, down, across)
    assumed = (f"its tokens of {width} values are {whose}",) if whose else ()
    return (latents if side == 1 else unpatchify(latents)), assumed


def _square(count: int, pixels: int) -> str:
    """The size of the square picture of so many tokens, as the rest of a sentence; empty where there is none."""
    side = math.isqrt(count)
    return f"; a square one would be {side * pixels} by {side * pixels}" if side * side == count else ""


def advice(shape: Sequence[int]) -> str:
    """What to do with a tensor that looks packed, as a sentence; empty where it does not."""
    if not looks_packed(shape):
        return ""
    return (
        " They look packed (batch, tokens, channels), as the loops of Flux and Qwen-Image hold them: say the picture's "
        "size in Latents.load(path, size=(width, height)) or Latents.from_tensor(tensor, size=(width, height))."
    )
