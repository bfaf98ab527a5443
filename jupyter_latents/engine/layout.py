"""How a pipeline's loop holds latents, and the way to and from (batch, channels, height/factor, width/factor).

A layout is a row of `LAYOUTS`; a family names its row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

__all__ = ["LAYOUTS", "Layout", "patchify", "unpatchify"]


@dataclass(frozen=True, slots=True)
class Layout:
    """A pair of inverse functions.

    Attributes:
        pack: Unpacked latents to what the loop holds.
        unpack: What the loop holds, with the unpacked height and width, to (batch, channels, height, width).
    """

    pack: Callable[[torch.Tensor], torch.Tensor]
    unpack: Callable[[torch.Tensor, int, int], torch.Tensor]


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


def _tokens(latents: torch.Tensor) -> torch.Tensor:
    """(b, c, h, w) to (b, h*w, c)."""
    return latents.flatten(2).transpose(1, 2)


def _untokens(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(b, h*w, c) to (b, c, h, w)."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], height, width)


LAYOUTS: dict[str, Layout] = {
    # SD, SDXL, Kolors, SD3, Z-Image, PixArt, AuraFlow, Lumina2
    "plain": Layout(lambda latents: latents, lambda latents, *_: latents),
    # Flux.1 and Qwen-Image: 2x2 patches as tokens, FluxPipeline._pack_latents
    "packed": Layout(
        lambda latents: _tokens(patchify(latents)),
        lambda tokens, height, width: unpatchify(_untokens(tokens, height // 2, width // 2)),
    ),
    # Flux.2: latents live patchified (batch-norm space) and become tokens, Flux2Pipeline._pack_latents
    "tokens": Layout(_tokens, _untokens),
}
