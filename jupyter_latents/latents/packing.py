"""Packed latents: the tokens that the loops of Flux, Qwen-Image and Flux.2 hold, and the way to and from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from jupyter_latents.errors import LatentsError, SettingError
from jupyter_latents.latents.arguments import numbers, shown
from jupyter_latents.latents.spaces import Space
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = [
    "advice",
    "from_tokens",
    "looks_packed",
    "packed",
    "patchify",
    "picture_size",
    "to_tokens",
    "unpack",
    "unpatchify",
]

# What tokens of so many values are where nobody said the space: channels, factor and the name of the family.
_LIKELY = {64: (16, 8, "Flux's or Qwen-Image's"), 128: (128, 16, "Flux.2's")}
# Sizes that a message proposes: so many shapes, none longer than so many times its width.
_MOST_SIZES, _NARROWEST = 3, 4


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


def packed(latents: Latents) -> torch.Tensor:
    """Latents as tokens, as the loops of Flux, Qwen-Image and Flux.2 hold them and their callbacks give them.

    ``FluxPipeline`` and ``QwenImagePipeline`` take this as ``latents=``; ``Flux2Pipeline`` takes ``latents.tensor``
    and packs it by itself.

    Args:
        latents: Latents of 16 channels, or Flux.2's of 128.

    Returns:
        (batch, height/2 * width/2, 4 * channels) of latent pixels, or Flux.2's (batch, height * width, channels);
        dtype and form as they are.

    Raises:
        LatentsError: No pipeline packs latents of that space, or a side is odd.
    """
    if latents.moves:
        raise LatentsError("latents of clips are not packed here; the pipelines of clips take latents.tensor as it is.")
    channels = latents.shape[1]
    patches = {known[0]: width // known[0] for width, known in _LIKELY.items()}
    if channels not in patches:
        raise LatentsError(
            f"latents of {channels} channels are not packed by any pipeline; Flux's and Qwen-Image's have 16, Flux.2's "
            "128. Others take latents.tensor as it is."
        )
    if patches[channels] == 1:
        return to_tokens(latents.tensor).contiguous()
    if latents.shape[2] % 2 or latents.shape[3] % 2:
        raise LatentsError(
            f"latents of shape {latents.shape} have an odd side, and tokens are 2 by 2: crop() or pad() them first."
        )
    return to_tokens(patchify(latents.tensor.contiguous())).contiguous()


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
    side, pixels = _token(width, space)
    across, down = size[0] // pixels, size[1] // pixels
    if across * down != count:
        raise LatentsError(
            f"packed latents of {count} tokens are no picture of {size[0]} by {size[1]} pixels, which has "
            f"{across * down}. {_sizes_said(count, pixels)}"
        )
    latents = from_tokens(tokens, down, across)
    assumed = () if space else (f"its tokens of {width} values are {_LIKELY[width][2]}",)
    return (latents if side == 1 else unpatchify(latents)), assumed


def _token(width: int, space: Space | None) -> tuple[int, int]:
    """How many latent pixels, and how many pixels of the picture, a token of so many values spans each way."""
    channels, factor = (space.channels, space.factor) if space else _LIKELY[width][:2]
    side = 1 if width == channels else 2
    return side, factor * side


def _sizes(count: int, pixels: int) -> list[tuple[int, int]]:
    """(width, height) of the pictures that so many tokens may be, the squarest first; the narrowest are left out."""
    pairs = [(count // down, down) for down in range(math.isqrt(count), 0, -1) if count % down == 0]
    usual = [pair for pair in pairs if pair[0] <= _NARROWEST * pair[1]][:_MOST_SIZES] or pairs[:1]
    both = [pair for long, short in usual for pair in dict.fromkeys([(long, short), (short, long)])]
    return [(across * pixels, down * pixels) for across, down in both]


def _sizes_said(count: int, pixels: int) -> str:
    """Which sizes so many tokens may have and how to say one, as a sentence."""
    listed = " or ".join(f"{width}x{height}" for width, height in _sizes(count, pixels))
    return (
        f"So many are {listed} pixels: say which in Latents.load(path, size=(width, height)) or "
        f"Latents.from_tensor(tensor, size=(width, height)); in a script, by {option('output_size')}."
    )


def advice(shape: Sequence[int], space: Space | None = None) -> str:
    """What to do with a tensor that looks packed, as a sentence; empty where it does not."""
    if not looks_packed(shape, space):
        return ""
    whose = f"those of {space.name}" if space else _LIKELY[shape[2]][2]
    return (
        f" They look packed (batch, tokens, channels), as a pipeline's loop holds {whose}: {shape[1]} tokens each. "
        f"{_sizes_said(shape[1], _token(shape[2], space)[1])}"
    )
