"""`.npz` files: arrays by name, read without running any code; ours hold the same parts as `.safetensors` files.

The facts and what stands beside them are arrays of one text each. numpy has no bfloat16: such tensors are written as
float32, and a text names them.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from jupyter_latents.errors import LatentsFileError
from jupyter_latents.latents.files.caches import cached_content
from jupyter_latents.latents.files.content import Codec, Content
from jupyter_latents.latents.files.metadata import DAMAGED, FACTS_KEY, facts_metadata
from jupyter_latents.latents.files.npy_file import array_bytes, array_in, tensor_in
from jupyter_latents.latents.files.safetensors_file import content_of, parts_of
from jupyter_latents.paths import explain

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["CODEC", "npz_bytes", "read_npz"]

_HALF_KEY = "jupyter_latents.bfloat16"  # names of the tensors that were bfloat16
_PART = ".npy"
_BEGINNING = (1980, 1, 1, 0, 0, 0)  # of the time of archives: the same latents make the same file
# A compressed archive may claim so many bytes, or so many times its own size; latents hardly get smaller.
_MOST_BYTES, _MOST_TIMES = 1 << 26, 20


def npz_bytes(latents: Latents) -> bytes:
    """A whole file as bytes. The trajectory is not kept.

    Warns:
        LatentsWarning: The resume state holds something that no file can keep; the rest is written.
    """
    tensors, beside = parts_of(latents)
    half = sorted(name for name, tensor in tensors.items() if tensor.dtype == torch.bfloat16)
    texts = facts_metadata(latents, latents.tensor, {**beside, **({_HALF_KEY: json.dumps(half)} if half else {})})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, tensor in tensors.items():
            _write(archive, name, (tensor.float() if name in half else tensor).numpy())
        for name, text in texts.items():
            _write(archive, name, np.array(text))
    return buffer.getvalue()


def _write(archive: zipfile.ZipFile, name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    archive.writestr(zipfile.ZipInfo(f"{name}{_PART}", _BEGINNING), array_bytes(array))


@dataclass(frozen=True)
class _Arrays:
    """The arrays of an open archive as tensors."""

    archive: zipfile.ZipFile
    half: frozenset[str] = frozenset()

    def get_tensor(self, name: str) -> torch.Tensor:
        """The tensor of that name.

        Raises:
            LatentsFileError: It is damaged or no array of numbers.
        """
        try:
            tensor, rest = tensor_in(self.archive.read(f"{name}{_PART}"))
        except LatentsFileError as error:
            raise LatentsFileError(f"its array {name!r}: {error.template}") from error
        if rest:
            raise LatentsFileError(f"its array {name!r} holds {len(rest)} bytes more than it says.")
        return tensor.bfloat16() if name in self.half else tensor


def read_npz(path: Path, *, verify: bool = True, size: tuple[int, int] | None = None) -> Content:
    """Reads arrays of ours, of numpy's ``savez`` or of sd-scripts.

    Args:
        path: A plain file.
        verify: Whether checksums of ours must agree; those of the archive's parts always must.
        size: (width, height) in pixels of the picture, where the file holds latents of several.

    Raises:
        LatentsFileError: Truncated, damaged, too large, objects in it, or none of its arrays are latents.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _content(archive, path, verify=verify, size=size)
    except LatentsFileError as error:
        raise LatentsFileError(f"{path}: {error.template}") from error
    except OSError as error:
        raise LatentsFileError(f"cannot read {path}: {explain(error)}.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, *DAMAGED) as error:
        raise LatentsFileError(f"{path} is damaged or no archive of numpy's arrays. Copy or save it again.") from error


def _content(archive: zipfile.ZipFile, path: Path, *, verify: bool, size: tuple[int, int] | None) -> Content:
    names = _names(archive, path.stat().st_size)
    texts = {name: _text(archive, name) for name in names if name.startswith(FACTS_KEY)}
    if not texts and f"{FACTS_KEY}{_PART}".encode() in path.read_bytes():
        raise LatentsFileError("it is damaged: its facts (space, noise, seed) cannot be found. Copy or save it again.")
    keys = [name for name in names if name not in texts]
    file = _Arrays(archive, frozenset(json.loads(texts.get(_HALF_KEY, "[]"))))
    cached = None if texts else cached_content(file, {}, keys, path, size)
    return cached or content_of(file, texts, keys, verify=verify)


def _names(archive: zipfile.ZipFile, length: int) -> list[str]:
    """Names of an archive's arrays.

    Raises:
        LatentsFileError: It would take more memory than latents do, or holds two arrays of one name.
    """
    claimed = sum(part.file_size for part in archive.infolist())
    if claimed > max(_MOST_BYTES, _MOST_TIMES * length):
        raise LatentsFileError(f"it is refused: its parts claim {claimed} bytes in a file of {length}.")
    parts = [part.filename for part in archive.infolist()]
    if len(set(parts)) < len(parts):
        raise LatentsFileError("it is damaged: two of its parts have one name.")
    return [part.removesuffix(_PART) for part in parts if part.endswith(_PART)]


def _text(archive: zipfile.ZipFile, name: str) -> str:
    array, _ = array_in(archive.read(f"{name}{_PART}"))
    return str(array) if array.dtype.kind == "U" and array.ndim == 0 else ""


CODEC = Codec(read_npz, npz_bytes)
