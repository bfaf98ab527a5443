"""Functions of templates that work out picture sizes, under dgenerate's names."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

__all__ = ["SIZES", "of_pictures"]

_Size: TypeAlias = "str | Sequence[int]"
_MOST = 10**6
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


def _scaled(side: int, scale: float) -> int:
    made = round(side * scale) if math.isfinite(scale) else 0
    if not 0 < made < _MOST:
        raise ValueError(f"{side} pixels times {scale:g} is no size; give a scale above 0 that leaves pixels")
    return made


def of_pictures(read: Callable[[str], tuple[int, int]]) -> dict[str, Callable[..., Any]]:
    """The template functions that read sizes of pictures, by name.

    Args:
        read: Says (width, height) of a picture's file.
    """

    def image_size(file: str, format_size: bool = True) -> str | tuple[int, int]:
        return _made(read(str(file)), format_size)

    def scale_size(size: _Size, scale: float | _Size, format_size: bool = True) -> str | tuple[int, int]:
        sides = read(size) if isinstance(size, str) and not _TEXT.fullmatch(size) else _sides(size)
        scales = (scale, scale) if isinstance(scale, int | float) else _factors(scale)
        return _made((_scaled(sides[0], scales[0]), _scaled(sides[1], scales[1])), format_size)

    return {
        "image_size": image_size,
        "image_width": lambda file: read(str(file))[0],
        "image_height": lambda file: read(str(file))[1],
        "scale_size": scale_size,
    }


def _factors(scale: str | Sequence[float]) -> tuple[float, float]:
    """What width and height are multiplied by: ``2``, ``2x1``, or two numbers."""
    parts = scale.lower().split("x") if isinstance(scale, str) else scale
    width, height = (parts[0], parts[0]) if len(parts) == 1 else parts
    return float(width), float(height)


SIZES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "align_size": _align_size,
        "pow2_size": _pow2_size,
        "size_is_aligned": _size_is_aligned,
        "size_is_pow2": _size_is_pow2,
    }
)
"""The functions by name."""
