"""What goes into a stage, on its way to a worker: facts by value, tensors by digest.

A worker has the tensors that it made or was given on a shelf. Those that it lacks are sent to it once, as a safetensors
file whose keys are their digests.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch

from jupyter_latents.latents.tensors import tensor_digest

__all__ = ["LackingError", "Parcel", "TensorShelf"]

_LEAST = 1024  # bytes of a tensor that travels by digest; a smaller one is as short as its digest with all around it
_MOST = 256 << 20  # bytes on a shelf


class LackingError(Exception):
    """A shelf lacks tensors.

    Attributes:
        digests: Theirs.
    """

    def __init__(self, digests: Iterable[str]) -> None:
        super().__init__("tensors are not here")
        self.digests = tuple(digests)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A value with its tensors beside it.

    Attributes:
        outline: The value, pickled, with a digest in the place of each tensor.
        tensors: Digest to tensor.
    """

    outline: bytes
    tensors: Mapping[str, torch.Tensor]

    @staticmethod
    def of(value: Any) -> Parcel:
        """The parcel of any value that pickles."""
        tensors: dict[str, torch.Tensor] = {}
        written = io.BytesIO()
        _Writer(written, tensors).dump(value)
        return Parcel(written.getvalue(), tensors)

    def content(self, digests: Iterable[str]) -> bytes:
        """Some of its tensors as a safetensors file; empty for none.

        Args:
            digests: Which.
        """
        several = {digest: self.tensors[digest].contiguous().clone() for digest in digests}
        return safetensors.torch.save(several) if several else b""


class TensorShelf:
    """Tensors by digest, the least recently used left out first.

    Args:
        most: Bytes that it holds.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most, self._bytes = most, 0
        self._tensors: OrderedDict[str, torch.Tensor] = OrderedDict()

    def __contains__(self, digest: str) -> bool:
        return digest in self._tensors

    def put(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Puts tensors on the shelf."""
        for digest, tensor in tensors.items():
            if digest not in self._tensors:
                self._bytes += tensor.nbytes
            self._tensors[digest] = tensor
            self._tensors.move_to_end(digest)
        while self._bytes > self._most and self._tensors:
            self._bytes -= self._tensors.popitem(last=False)[1].nbytes

    def unpack(self, outline: bytes, digests: Iterable[str], content: bytes = b"") -> Any:
        """The value of a parcel.

        Args:
            outline: The parcel's.
            digests: Of its tensors.
            content: Those of them that came with it; see `Parcel.content`.

        Raises:
            LackingError: Others are not here.
        """
        came = safetensors.torch.load(content) if content else {}
        here = {digest: _laid(digest, tensor) for digest, tensor in came.items()}
        here |= {digest: self._tensors[digest] for digest in digests if digest in self._tensors}
        self.put(here)
        if lacking := [digest for digest in digests if digest not in here]:
            raise LackingError(lacking)
        return _Reader(io.BytesIO(outline), here).load()


class _Writer(pickle.Pickler):
    """Writes digests in the place of tensors, and keeps these."""

    def __init__(self, file: io.BytesIO, tensors: dict[str, torch.Tensor]) -> None:
        super().__init__(file, protocol=5)
        self._tensors = tensors

    def persistent_id(self, value: Any) -> str | None:
        """The digest of a tensor; None for what is written by value."""
        if type(value) is not torch.Tensor or not _travels(value):
            return None
        digest = f"{tensor_digest(value)} {' '.join(map(str, value.stride()))}"
        self._tensors.setdefault(digest, value)
        return digest


class _Reader(pickle.Unpickler):
    """Reads what `_Writer` wrote."""

    def __init__(self, file: io.BytesIO, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__(file)
        self._tensors = tensors

    def persistent_load(self, digest: str) -> torch.Tensor:
        """The tensor of a digest."""
        return self._tensors[digest]


def _travels(tensor: torch.Tensor) -> bool:
    """Whether a tensor goes by digest: whatever has no plain bytes of its own is pickled."""
    plain = tensor.device.type == "cpu" and tensor.layout == torch.strided and not tensor.is_quantized
    return (
        plain
        and not tensor.requires_grad
        and tensor.nbytes >= _LEAST
        and torch.ops.aten.is_non_overlapping_and_dense(tensor)
    )


def _laid(digest: str, tensor: torch.Tensor) -> torch.Tensor:
    """A tensor with the strides that its digest says; kernels round by layout."""
    stride = tuple(map(int, digest.split()[1:]))
    return (
        tensor
        if tensor.stride() == stride
        else torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype).copy_(tensor)
    )
