"""`.pt` and `.pth` files: a bare tensor, read without running any code that a pickle may hold."""

from __future__ import annotations

import io
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from jupyter_latents.errors import LatentsFileError
from jupyter_latents.latents.files.content import Content, others, pick_key, plain

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["read_torch", "torch_bytes"]

_CODE = re.compile(r"(?:GLOBAL|class|global) ([\w.]+)")


def torch_bytes(latents: Latents) -> bytes:
    """A whole file as bytes: the tensor and nothing else, as dgenerate writes it."""
    buffer = io.BytesIO()
    torch.save(plain(latents.tensor), buffer)
    return buffer.getvalue()


def read_torch(path: Path, *, verify: bool = True) -> Content:
    """Reads a bare tensor, or a dict that holds one under a key that dgenerate knows.

    Args:
        path: A plain file.
        verify: Not used: these files keep no checksum of ours.

    Raises:
        LatentsFileError: Truncated, damaged, a pickle with code in it, or no dense tensor.
    """
    del verify
    value = _load(path)
    assumed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    if isinstance(value, Mapping):
        tensors = {
            name: item for name, item in value.items() if isinstance(name, str) and isinstance(item, torch.Tensor)
        }
        try:
            key, assumed = pick_key(tensors)
        except LatentsFileError as error:
            raise LatentsFileError(f"{path}: {error.message}") from error
        value, left_out = tensors[key], others(tensors, key)
    if not isinstance(value, torch.Tensor):
        raise LatentsFileError(
            f"{path} holds a {type(value).__name__}; a latents file holds a tensor, or a dict with one."
        )
    if value.layout != torch.strided or value.is_quantized or value.device.type == "meta":
        raise LatentsFileError(
            f"{path} holds a sparse, quantised or empty-shell tensor; latents are dense. Save tensor.to_dense()."
        )
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise LatentsFileError(
            f"{path} names a tensor of {value.numel()} values but holds fewer; it is damaged or not latents."
        )
    return Content(plain(value), assumed=assumed, left_out=left_out)


def _load(path: Path) -> object:
    try:
        _check_archive(path)
        with warnings.catch_warnings():  # of pickle protocols and typed storages: nothing that a person here can change
            warnings.simplefilter("ignore")
            return torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        reason = str(error)
        if "nsupported" not in reason and "rying to" not in reason:
            raise LatentsFileError(f"{path} is damaged or no torch file. Copy or save it again.") from None
        found = _CODE.search(reason)
        named = f" ({found.group(1)})" if found else ""
        # Not chained: torch's own text tells people how to turn its guard off.
        raise LatentsFileError(
            f"{path} was refused: it holds more than tensors{named}, and opening it could run its writer's code. "
            "Ask for the bare tensor, best as a .safetensors file."
        ) from None
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:200]
        if "weights_only" in reason:
            raise LatentsFileError(f"{path} was refused: it is a program (TorchScript), not a tensor.") from None
        raise LatentsFileError(f"{path} is damaged or no torch file ({reason}). Copy or save it again.") from error


def _check_archive(path: Path) -> None:
    """Refuses an archive whose parts claim more than the file holds: torch stores them uncompressed.

    Raises:
        ValueError: It claims more.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        claimed = sum(part.file_size for part in archive.infolist())
    if claimed > path.stat().st_size:
        raise ValueError(f"its parts claim {claimed} bytes in a file of {path.stat().st_size}")
