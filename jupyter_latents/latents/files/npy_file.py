"""`.npy` files: one array, read without running any code that a pickle in it may hold.

The format has no checksum. Files of ours end in one, behind the array, where numpy does not look; the many blanks at
the end of their headers, which mean nothing to numpy, tell that it must be there.
"""

from __future__ import annotations

import io
import math
import re
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from jupyter_latents.errors import LatentsError, LatentsFileError
from jupyter_latents.latents.files.content import Codec, Content, plain
from jupyter_latents.latents.tensors import as_tensor
from jupyter_latents.paths import explain

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["CODEC", "array_bytes", "array_in", "npy_bytes", "read_npy", "tensor_in"]

_AGAIN = "Copy or save it again."
_LONGEST_HEADER = 4096  # characters; those of arrays of numbers have about 100
_CHECKED = re.compile(rb"\njupyter_latents crc32 ([0-9a-f]{8})\n")
_CHECK_LENGTH = 32
_BLANKS = b" " * 128  # numpy itself writes at most 84
_LENGTH = slice(8, 10)  # of the header, where a file says it
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def array_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """An array in numpy's format."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def npy_bytes(latents: Latents) -> bytes:
    """A whole file as bytes: the tensor and its checksum; numpy has no bfloat16, which is written as float32."""
    content = _marked(array_bytes(np.ascontiguousarray(np.asarray(latents))))
    return content + b"\njupyter_latents crc32 %08x\n" % zlib.crc32(content)


def _marked(content: bytes) -> bytes:
    """An array in numpy's format 1.0 whose header ends in `_BLANKS`."""
    start = _LENGTH.stop
    end = start + int.from_bytes(content[_LENGTH], "little")
    length = (end - start + len(_BLANKS)).to_bytes(2, "little")
    return b"".join((content[: _LENGTH.start], length, content[start : end - 1], _BLANKS, content[end - 1 :]))


def array_in(content: bytes) -> tuple[np.ndarray[Any, Any], bytes]:
    """The array that `array_bytes` wrote, which shares the memory of `content`, and what stands behind it.

    Raises:
        LatentsFileError: Truncated, damaged, no array, or one of objects. The message is the rest of a sentence.
    """
    stream = io.BytesIO(content)
    try:
        with warnings.catch_warnings():  # of headers that Python 2 wrote: nothing that a person here can change
            warnings.simplefilter("ignore")
            header = _HEADERS[np.lib.format.read_magic(stream)]
            shape, by_columns, dtype = header(stream, max_header_size=_LONGEST_HEADER)
    except Exception as error:  # the header is a Python literal, whose reader raises anything
        raise LatentsFileError(f"it is damaged or no array of numpy. {_AGAIN}") from error
    if dtype.hasobject or dtype.kind not in "biufcU":
        raise LatentsFileError("it was refused: it holds objects, not numbers. Ask for array.astype('float32').")
    count, start = math.prod(shape), stream.tell()
    if any(length < 0 for length in shape) or count * dtype.itemsize > len(content) - start:
        raise LatentsFileError(f"it names an array of {count} values but holds fewer; it is damaged. {_AGAIN}")
    end = start + count * dtype.itemsize
    flat = np.frombuffer(content, dtype, count, start) if end > start else np.empty(count, dtype)
    array = flat.reshape(shape[::-1]).T if by_columns else flat.reshape(shape)
    return array, content[end:]


def tensor_in(content: bytes) -> tuple[torch.Tensor, bytes]:
    """The same as a tensor.

    Raises:
        LatentsFileError: See `array_in`; or it holds no numbers.
    """
    array, rest = array_in(content)
    try:
        return as_tensor(array), rest
    except LatentsError as error:
        raise LatentsFileError(error.template) from error


def read_npy(path: Path, *, verify: bool = True, size: tuple[int, int] | None = None) -> Content:  # noqa: ARG001
    """Reads one array of numbers.

    Args:
        path: A plain file.
        verify: Whether the checksum of a file of ours must agree.
        size: Not asked for.

    Raises:
        LatentsFileError: Truncated, damaged, no array of numbers, or with something else behind it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LatentsFileError(f"cannot read {path}: {explain(error)}.") from error
    try:
        tensor, rest = tensor_in(content)
    except LatentsFileError as error:
        raise LatentsFileError(f"{path}: {error.template}") from error
    _check_rest(path, content, rest, verify=verify)
    return Content(plain(tensor))


def _check_rest(path: Path, content: bytes, rest: bytes, *, verify: bool) -> None:
    """Raises where what stands behind the array is no checksum, or another one."""
    found = _CHECKED.fullmatch(rest)
    if rest and found is None:
        raise LatentsFileError(f"{path} holds {len(rest)} bytes more than its array; it is damaged. {_AGAIN}")
    if found is None and _CHECKED.search(content[-_CHECK_LENGTH:]):
        raise LatentsFileError(f"{path} is damaged: its array reaches into its checksum. {_AGAIN}")
    if found is None and _BLANKS + b"\n" in content[: len(content) - len(rest)]:
        raise LatentsFileError(f"{path} is damaged: it ends before its checksum. {_AGAIN}")
    if verify and found is not None and int(found[1], 16) != zlib.crc32(content[: len(content) - len(rest)]):
        raise LatentsFileError(
            f"{path} is damaged: it does not have its checksum. "
            "Copy or save it again, or load what is there with Latents.load(path, verify=False)."
        )


CODEC = Codec(read_npy, npy_bytes)
