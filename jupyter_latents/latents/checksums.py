"""Checksums that tell whether latents were changed in place since they were seen last."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["checksum", "tensor_bytes"]


def checksum(latents: Latents, before: int = 0) -> int:
    """CRC-32 of the bytes of latents and of their clean estimate.

    Args:
        latents: The latents.
        before: Checksum of what goes before them, to go on from.
    """
    for tensor in (latents.tensor, latents.denoised):
        if tensor is not None:
            before = zlib.crc32(tensor_bytes(tensor), before)
    return before


def tensor_bytes(tensor: torch.Tensor) -> Any:
    """A tensor's bytes as a buffer, uncopied where it is contiguous on the CPU."""
    return tensor.detach().to("cpu").contiguous().flatten().view(torch.uint8).numpy()
