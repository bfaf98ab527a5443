"""Which tensors can be latents; their digests and checksums."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from jupyter_latents.errors import LatentsError
from jupyter_latents.latents.arguments import shown
from jupyter_latents.latents.packing import advice
from jupyter_latents.latents.spaces import AXES
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = [
    "FLOAT_DTYPES", "as_tensor", "check_dense", "check_tensor", "checksum", "dtype_name", "tensor_bytes",
    "tensor_digest",
]  # fmt: skip

_COLOURS = (1, 3)
_DIMENSIONS = tuple(len(axes.split()) for axes in AXES)
FLOAT_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def dtype_name(dtype: torch.dtype) -> str:
    """A dtype by its own name, ``float16``."""
    return str(dtype).removeprefix("torch.")


def as_tensor(value: object) -> torch.Tensor:
    """A tensor or an array as a tensor on the CPU, in any byte order and layout.

    Raises:
        LatentsError: It is neither, or holds something else than numbers.
    """
    if isinstance(value, torch.Tensor):
        check_dense(value, "latents")
        return value.detach().to("cpu")
    try:
        array = np.array(value)
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
    except (TypeError, ValueError, OverflowError) as error:
        dtype = shown(str(getattr(value, "dtype", type(value).__name__)))
        way = "give array.astype('float32')" if _are_numbers(value) else "give a tensor or an array of these"
        raise LatentsError(f"latents are an array of {dtype}; they hold floating-point numbers: {way}.") from error


def _are_numbers(value: object) -> bool:
    """Whether an array of a dtype that torch does not have can be made one of numbers."""
    try:
        np.array(value).astype("float32")
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def check_dense(tensor: torch.Tensor, what: str) -> None:
    """Raises unless a tensor holds a number for each place.

    Raises:
        LatentsError: It is sparse, quantised or an empty shell.
    """
    way = _way_to_dense(tensor)
    if way:
        raise LatentsError(f"{what} are a sparse, quantised or empty-shell tensor; latents are dense. {way}")


def _way_to_dense(tensor: torch.Tensor) -> str:
    """How a tensor becomes a dense one; empty where it is."""
    if tensor.device.type == "meta":
        return "This one is a shell without values: make it again on the CPU."
    if tensor.is_quantized:
        return "Give tensor.dequantize()."
    return "" if tensor.layout == torch.strided else "Give tensor.to_dense()."


def check_tensor(tensor: torch.Tensor, what: str = "latents") -> None:
    """Raises unless `tensor` can be latents.

    Args:
        tensor: Any tensor.
        what: What to call it in the message.

    Raises:
        LatentsError: No tensor, neither four nor five dimensions, an empty one, not floating point, or with values
            that are NaN or infinite.
    """
    if not isinstance(tensor, torch.Tensor):
        raise LatentsError(f"{what} are a {type(tensor).__name__}; they are a tensor: give Latents.from_tensor(...).")
    check_dense(tensor, what)
    shape = tuple(tensor.shape)
    if len(shape) not in _DIMENSIONS:
        raise LatentsError(
            f"{what} have shape {shape}; expected (batch, channels, height/factor, width/factor), or (batch, channels, "
            f"frames, height/factor, width/factor) for clips.{advice(shape)}"
        )
    if 0 in shape:
        raise LatentsError(f"{what} have shape {shape}; no dimension may be empty.")
    if tensor.dtype not in FLOAT_DTYPES:
        raise LatentsError(f"{what} have dtype {tensor.dtype}; {_way_to_float(tensor)}")
    if not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        wider = f" or with {option('dtype')} float32" if tensor.dtype.itemsize < 4 else ""
        raise LatentsError(
            f"{what} hold {bad} NaN or infinite values of {tensor.numel()}, in {dtype_name(tensor.dtype)}; they cannot "
            f"be denoised. Make them again, by smaller numbers{wider}."
        )


def _way_to_float(tensor: torch.Tensor) -> str:
    """What to do with four axes of numbers of another kind."""
    if tensor.shape[1] in _COLOURS or tensor.shape[-1] in _COLOURS:
        return (
            f"and their shape {tuple(tensor.shape)} is that of pictures. Put pictures in the image position "
            f"({option('image_seeds', 'image')} NAME)."
        )
    if tensor.is_complex():
        return "latents are real: give their real part, .real."
    return "latents are float16, bfloat16, float32 or float64. Convert with .float(), an array with .astype('float32')."


def tensor_digest(tensor: torch.Tensor) -> str:
    """SHA-256 of a tensor's dtype, shape and bytes, as 32 hexadecimal digits."""
    raw = tensor.detach().to("cpu").contiguous().flatten().view(torch.uint8).numpy().tobytes()
    head = f"{tensor.dtype}{tuple(tensor.shape)}".encode()
    return hashlib.sha256(head + raw).hexdigest()[:32]


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
