"""Which tensors can be latents, and their digest."""

from __future__ import annotations

import hashlib

import torch

from jupyter_latents.errors import LatentsError

__all__ = ["FLOAT_DTYPES", "check_tensor", "tensor_digest"]

FLOAT_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_tensor(tensor: torch.Tensor, what: str = "latents") -> None:
    """Raises unless `tensor` can be latents.

    Args:
        tensor: Any tensor.
        what: What to call it in the message.

    Raises:
        LatentsError: No tensor, not four dimensions, an empty one, not floating point, or with NaN or infinite values.
    """
    if not isinstance(tensor, torch.Tensor):
        raise LatentsError(f"{what} are a {type(tensor).__name__}; they are a tensor: give torch.as_tensor(...) of it.")
    shape = tuple(tensor.shape)
    if tensor.dtype not in FLOAT_DTYPES:
        raise LatentsError(
            f"{what} have dtype {tensor.dtype}; latents are float16, bfloat16, float32 or float64. "
            "Convert with .float()."
        )
    if len(shape) != 4:
        raise LatentsError(f"{what} have shape {shape}; expected (batch, channels, height/factor, width/factor).")
    if 0 in shape:
        raise LatentsError(f"{what} have shape {shape}; no dimension may be empty.")
    if not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        raise LatentsError(
            f"{what} hold {bad} NaN or infinite values of {tensor.numel()}; they cannot be denoised. "
            "Run the stage that made them again."
        )


def tensor_digest(tensor: torch.Tensor) -> str:
    """SHA-256 of a tensor's dtype, shape and bytes, as 32 hexadecimal digits."""
    raw = tensor.detach().to("cpu").contiguous().flatten().view(torch.uint8).numpy().tobytes()
    head = f"{tensor.dtype}{tuple(tensor.shape)}".encode()
    return hashlib.sha256(head + raw).hexdigest()[:32]
