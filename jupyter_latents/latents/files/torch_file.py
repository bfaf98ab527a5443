"""`.pt` and `.pth` files: a bare tensor, read without running any code that a pickle may hold."""

from __future__ import annotations

import errno
import io
import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from jupyter_latents.errors import LatentsFileError
from jupyter_latents.latents.files.content import Codec, Content, others, pick_key, plain
from jupyter_latents.latents.packing import looks_packed
from jupyter_latents.paths import explain

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["CODEC", "read_torch", "torch_bytes"]

_IS_FOLDER = 0x10  # of the attributes of an archive's part
_DAMAGED = "{path} is damaged or no torch file. Copy or save it again."


def torch_bytes(latents: Latents) -> bytes:
    """A whole file as bytes: the tensor and nothing else, as dgenerate writes it."""
    buffer = io.BytesIO()
    torch.save(plain(latents.tensor), buffer)
    return buffer.getvalue()


def read_torch(path: Path, *, verify: bool = True, size: tuple[int, int] | None = None) -> Content:  # noqa: ARG001
    """Reads a bare tensor, a list of tensors of one shape, or a dict that holds one under a key that dgenerate knows.

    Args:
        path: A plain file.
        verify: Whether the archive's checksums must agree; files of torch before 1.6 are no archives and have none.
        size: Not asked for.

    Raises:
        LatentsFileError: Truncated, damaged, a pickle with code in it, or no dense tensor.
    """
    value = _load(path, verify=verify)
    assumed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    if isinstance(value, Mapping):
        tensors = {
            name: item for name, item in value.items() if isinstance(name, str) and isinstance(item, torch.Tensor)
        }
        try:
            key, assumed = pick_key(tensors)
        except LatentsFileError as error:
            raise LatentsFileError(f"{path}: {error.template}") from error
        value, left_out = tensors[key], others(tensors, key)
    whole = path.stat().st_size
    items = [_dense(item, path, whole) for item in (value if isinstance(value, list | tuple) and value else [value])]
    if len(items) > 1:
        assumed = (f"its list of {len(items)} tensors is a batch",)
    return Content(plain(_joined(items, path)), assumed=assumed, left_out=left_out)


def _dense(value: object, path: Path, whole: int) -> torch.Tensor:
    """A value, where it is a dense tensor that a file of so many bytes can hold.

    Raises:
        LatentsFileError: It is something else.
    """
    if not isinstance(value, torch.Tensor):
        raise LatentsFileError(
            f"{path} holds a {type(value).__name__}; a latents file holds a tensor, a list of them or a dict with one."
        )
    if value.layout != torch.strided or value.is_quantized or value.device.type == "meta":
        raise LatentsFileError(
            f"{path} holds a sparse, quantised or empty-shell tensor; latents are dense. Save tensor.to_dense()."
        )
    if value.numel() * value.element_size() > min(value.untyped_storage().nbytes(), whole):
        raise LatentsFileError(
            f"{path} names a tensor of {value.numel()} values but holds fewer; it is damaged or not latents."
        )
    return value


def _joined(tensors: Sequence[torch.Tensor], path: Path) -> torch.Tensor:
    """The tensors of a list as one batch: (channels, height, width) each, or with a batch of their own.

    Raises:
        LatentsFileError: They differ in shape or dtype, or take more memory than their file: many may be one.
    """
    kinds = dict.fromkeys((tuple(tensor.shape), tensor.dtype) for tensor in tensors)
    if len(kinds) > 1:
        found = ", ".join(f"{shape} {dtype}" for shape, dtype in list(kinds)[:4]).replace("torch.", "")
        raise LatentsFileError(
            f"{path} holds a list of tensors that differ in shape or dtype ({found}), which are no batch. "
            "Save each alone."
        )
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors) > path.stat().st_size:
        raise LatentsFileError(f"{path} names one tensor many times; it is damaged or not latents.")
    if len(tensors) == 1:
        return tensors[0]
    shape = tensors[0].shape
    alone = len(shape) <= 3 and not (looks_packed(shape) and shape[0] == 1)
    return torch.stack(list(tensors)) if alone else torch.cat(list(tensors))


def _load(path: Path, *, verify: bool) -> object:
    """What a file holds; torch's own texts are not repeated, since they tell people how to turn its guard off."""
    try:
        fault = _archive_fault(path, verify=verify)
        if fault:
            raise LatentsFileError(f"{path} is damaged: {fault}")
        with warnings.catch_warnings():  # of pickle protocols and typed storages: nothing that a person here can change
            warnings.simplefilter("ignore")
            return torch.load(path, weights_only=True, map_location="cpu")
    except LatentsFileError:
        raise
    except OSError as error:
        if error.errno != errno.EINVAL:  # to seek where the archive says is no fault of the disk
            raise LatentsFileError(f"cannot read {path}: {explain(error)}.") from error
        raise LatentsFileError(_DAMAGED.format(path=path)) from None
    except Exception as error:  # noqa: BLE001 - the readers of archives and pickles raise anything
        text = str(error)
        if isinstance(error, pickle.UnpicklingError) and ("nsupported" in text or "rying to" in text):
            raise LatentsFileError(
                f"{path} was refused: it holds more than tensors, and opening it could run its writer's code. "
                "Ask for the bare tensor, best as a .safetensors file."
            ) from None
        if not isinstance(error, pickle.UnpicklingError) and "weights_only" in text:
            raise LatentsFileError(f"{path} was refused: it is a program (TorchScript), not a tensor.") from None
        raise LatentsFileError(_DAMAGED.format(path=path)) from None


def _archive_fault(path: Path, *, verify: bool) -> str:
    """What is wrong with an archive before torch reads it, as the rest of a sentence; torch checks none of this.

    Args:
        path: A file; only archives are looked into.
        verify: Whether checksums are computed.
    """
    if not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as archive:
        if any(part.external_attr & _IS_FOLDER or part.is_dir() for part in archive.infolist()):
            return "a part of it says that it is a folder."  # torch would make a tensor of memory as it lies there
        claimed = sum(part.file_size for part in archive.infolist())
        if claimed > path.stat().st_size:  # torch stores its parts uncompressed
            return f"its parts claim {claimed} bytes in a file of {path.stat().st_size}."
        if verify and archive.testzip() is not None:
            return (
                "a part of it does not have its checksum. "
                "Copy or save it again, or load what is there with Latents.load(path, verify=False)."
            )
    return ""


CODEC = Codec(read_torch, torch_bytes)
