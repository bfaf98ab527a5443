"""Functions of templates that work out picture sizes, under dgenerate's names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

__all__ = ["SIZES", "image_size"]

_Size: TypeAlias = "str | Sequence[int]"
_TEXT = re.compile(r"\s*(\d{1,6})(?:x(\d{1,6}))?\s*", re.IGNORECASE)


def _sides(size: _Size) -> tuple[int, int]:
    """(width, height) of what stands for a size: ``700x512``, ``700``, or two numbers."""
    if isinstance(size, str):
        found = _TEXT.fullmatch(size)
        if found is None:
            raise ValueError(f"{size!r} is no size; write 512 or 512x768")
        return int(found[1]), int(found[2] or found[1])
    width, height = size
    return int(width), int(height)


def _made(sides: tuple[int, int], format_size: bool) -> str | tuple[int, int]:
    return f"{sides[0]}x{sides[1]}" if format_size else sides


def _positive(align: int) -> int:
    if align < 1:
        raise ValueError(f"an alignment of {align} pixels is none; give 1 or more")
    return align


def _align_size(size: _Size, align: int, format_size: bool = True) -> str | tuple[int, int]:
    """A size rounded down to multiples of `align` pixels."""
    width, height = _sides(size)
    return _made((width - width % _positive(align), height - height % align), format_size)


def _size_is_aligned(size: _Size, align: int) -> bool:
    return all(side % _positive(align) == 0 for side in _sides(size))


def _power(side: int) -> int:
    """The nearest power of two; the larger of two that are as near."""
    if side <= 0:
        return 0
    below = 1 << max(side.bit_length() - 1, 0)
    return below if side - below < 2 * below - side else 2 * below


def _pow2_size(size: _Size, format_size: bool = True) -> str | tuple[int, int]:
    """A size whose sides are the nearest powers of two."""
    width, height = _sides(size)
    return _made((_power(width), _power(height)), format_size)


def _size_is_pow2(size: _Size) -> bool:
    return all(side > 0 and side & (side - 1) == 0 for side in _sides(size))


def image_size(read: Callable[[str], tuple[int, int]]) -> Callable[..., Any]:
    """The template function ``image_size``.

    Args:
        read: Says (width, height) of a picture's file.
    """

    def function(file: str, format_size: bool = True) -> str | tuple[int, int]:
        return _made(read(str(file)), format_size)

    return function


SIZES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "align_size": _align_size,
        "pow2_size": _pow2_size,
        "size_is_aligned": _size_is_aligned,
        "size_is_pow2": _size_is_pow2,
    }
)
"""The functions by name."""
