"""How a pipeline's loop holds latents, and the way to and from (batch, channels, height/factor, width/factor).

A layout is a row of `LAYOUTS`; a family names its row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from jupyter_latents.latents.packing import from_tokens, patchify, to_tokens, unpatchify

__all__ = ["LAYOUTS", "Layout", "patchify", "unpatchify"]


@dataclass(frozen=True, slots=True)
class Layout:
    """A pair of inverse functions.

    Attributes:
        pack: Unpacked latents to what the loop holds.
        unpack: What the loop holds, with the unpacked shape, to a tensor of that shape.
        steered: Unpacked latents to what the scheduler steps where a picture steers them; None for what `pack` makes.
    """

    pack: Callable[[torch.Tensor], torch.Tensor]
    unpack: Callable[[torch.Tensor, tuple[int, ...]], torch.Tensor]
    steered: Callable[[torch.Tensor], torch.Tensor] | None = None


LAYOUTS: dict[str, Layout] = {
    # SD, SDXL, Kolors, SD3, Z-Image, PixArt, AuraFlow, Lumina2, Wan
    "plain": Layout(lambda latents: latents, lambda latents, _shape: latents),
    # Flux.1 and Qwen-Image: 2x2 patches as tokens, FluxPipeline._pack_latents
    "packed": Layout(
        lambda latents: to_tokens(patchify(latents)).contiguous(),  # as theirs are: kernels round by memory layout
        lambda tokens, shape: unpatchify(from_tokens(tokens, shape[-2] // 2, shape[-1] // 2)),
    ),
    # CogVideoX: frames stand before channels
    "frames first": Layout(
        lambda latents: latents.transpose(1, 2).contiguous(),
        lambda latents, _shape: latents.transpose(1, 2).contiguous(),
    ),
    # LTX-Video: every latent pixel of every frame is a token, LTXPipeline._pack_latents
    "frames": Layout(
        to_tokens,
        lambda tokens, shape: tokens.transpose(1, 2).reshape(len(tokens), -1, *shape[-3:]),
        lambda latents: latents[:, :, 1:],
    ),
    # Flux.2: latents live patchified (batch-norm space) and become tokens, Flux2Pipeline._pack_latents
    "tokens": Layout(to_tokens, lambda tokens, shape: from_tokens(tokens, *shape[-2:])),
}
