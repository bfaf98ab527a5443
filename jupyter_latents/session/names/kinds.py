"""What the values of a kernel can be in an image seed, told by what they have: no library is loaded to ask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_latents.formats import endings, holds_latents
from jupyter_latents.pictures.reading import is_picture

__all__ = ["TENSOR_ENDINGS", "is_list", "is_outline", "is_standing", "is_tensor_like", "is_usable"]

TENSOR_ENDINGS = endings("latents")


def is_outline(value: Any) -> bool:
    """Whether a value is the outline of latents to come: it has their facts and no values."""
    return hasattr(value, "has_history")


def is_standing(value: Any) -> bool:
    """Whether a value is latents, or their outline: no picture."""
    return hasattr(value, "has_estimate")


def is_tensor_like(value: Any) -> bool:
    """Whether a value can be latents: a file of them, a tensor or array of floating-point numbers, a list of these."""
    if isinstance(value, str | Path):
        return holds_latents(value)
    if isinstance(value, (list, tuple)):
        return bool(value) and all(is_tensor_like(item) for item in value)
    if is_outline(value):
        return True
    return hasattr(value, "__dlpack__") and "float" in str(getattr(value, "dtype", "float"))


def is_list(value: Any) -> bool:
    """Whether a value is several values in an order, one or more: no text, no bytes and no numbers of a range."""
    raw = str | bytes | bytearray | memoryview | range
    return isinstance(value, Sequence) and not isinstance(value, raw) and len(value) > 0


def is_usable(value: Any) -> bool:
    """Whether a value can stand in an image seed."""
    several = is_list(value) and all(map(is_tensor_like, value))
    return is_picture(value) or is_tensor_like(value) or is_standing(value) or several
