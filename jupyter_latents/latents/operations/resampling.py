"""White noise brought to another size and still white: the integral of noise over larger or smaller cells.

Interpolated noise is smooth, and a denoiser takes smooth noise for signal. Noise seen as the integral of a white
process over each cell can be divided (a Brownian bridge between the known sums) and summed exactly, along one axis
after the other; what was large stays large, and every value of the result is independent with variance 1. As in Chang
et al. 2024, "How I Warped Your Noise" (ICLR), section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from jupyter_latents.latents.separation import standard_normal

__all__ = ["each_frame", "resample_white"]


def each_frame(change: Callable[[torch.Tensor], torch.Tensor], tensor: torch.Tensor) -> torch.Tensor:
    """What a change of (batch, channels, height, width) makes of a tensor, of clips frame by frame.

    Args:
        change: Keeps the first two axes.
        tensor: Shape (batch, channels, height, width) or (batch, channels, frames, height, width).
    """
    if tensor.dim() == 4:
        return change(tensor)
    frames = change(tensor.transpose(1, 2).flatten(0, 1))
    return frames.reshape(tensor.shape[0], tensor.shape[2], *frames.shape[1:]).transpose(1, 2)


def resample_white(noise: torch.Tensor, size: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    """Unit-variance white noise of another size with the large structure of `noise`.

    Args:
        noise: Unit-variance white noise, shape (batch, channels, height, width), or of clips.
        size: New (height, width).
        generator: Draws the detail that finer cells need.

    Returns:
        Shape (batch, channels, *size), of clips with their frames; `noise` itself where the size is the same.
    """
    across = _resample_last(noise, size[1], generator)
    upright: torch.Tensor = _resample_last(across.transpose(-1, -2), size[0], generator).transpose(-1, -2)
    return upright.contiguous()


def _resample_last(noise: torch.Tensor, length: int, generator: torch.Generator) -> torch.Tensor:
    present = noise.shape[-1]
    if length == present:
        return noise
    # The axis has present * length units, so that the edges of both grids are whole numbers.
    every = {*range(0, present * length + 1, length), *range(0, present * length + 1, present)}
    edges = torch.tensor(sorted(every))
    starts = edges[:-1]
    source, target = starts // length, starts // present
    share = (edges[1:] - starts).to(noise.dtype) / length  # of a source cell
    free = standard_normal(noise[..., source], generator) * share.sqrt()
    sums = torch.zeros_like(noise).index_add(-1, source, free)
    pieces = free + share * (noise - sums)[..., source]
    total: torch.Tensor = noise.new_zeros(*noise.shape[:-1], length).index_add(-1, target, pieces)
    return total * math.sqrt(length / present)
