"""How the settings of image processors are read: each reader takes the text and returns the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from jupyter_latents.formats import MOST_PIXELS

__all__ = ["Read", "box", "choice", "colour", "kernel", "number", "sides", "size", "truth", "whole"]

_WIDEST = 999
Read: TypeAlias = Callable[[str], Any]
"""Reads a setting; raises `ValueError` that says what is allowed."""


def whole(least: int, most: int, *, odd: bool = False) -> Read:
    """Whole numbers of a range."""

    def read(text: str) -> int:
        found = int(text) if re.fullmatch(r"\d{1,9}", text) else least - 1
        if not least <= found <= most or (odd and found % 2 == 0):
            raise ValueError(f"{'an odd' if odd else 'a whole'} number from {least} to {most}")
        return found

    return read


def number(least: float, most: float) -> Read:
    """Numbers of a range."""

    def read(text: str) -> float:
        found = float(text) if re.fullmatch(r"\d{1,9}(\.\d*)?|\.\d+", text) else least - 1
        if not least <= found <= most:
            raise ValueError(f"a number from {least:g} to {most:g}")
        return found

    return read


def truth(text: str) -> bool:
    """True or false."""
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def choice(*names: str) -> Read:
    """One of some words."""

    def read(text: str) -> str:
        if text.lower() not in names:
            raise ValueError(", ".join(names))
        return text.lower()

    return read


def sides(*counts: int) -> Read:
    """Whole numbers with ``x`` between, so many of them."""

    def read(text: str) -> tuple[int, ...]:
        found = tuple(map(int, text.lower().split("x"))) if re.fullmatch(r"\d{1,6}(x\d{1,6})*", text.lower()) else ()
        if len(found) not in counts:
            raise ValueError(f"{' or '.join(map(str, counts))} whole numbers with x between, such as 512x512")
        return found

    return read


def size(text: str) -> tuple[int, int]:
    """(width, height) of ``512`` or ``512x768``."""
    found = sides(1, 2)(text)
    if not 0 < found[0] * found[-1] <= MOST_PIXELS:
        raise ValueError(f"a size such as 512x768, of {MOST_PIXELS // 10**6} million pixels at most")
    return found[0], found[-1]


def kernel(text: str) -> tuple[int, int]:
    """(width, height) of ``5`` or ``5x3``, odd numbers of pixels."""
    found = sides(1, 2)(text)
    if any(side % 2 == 0 or side > _WIDEST for side in found):
        raise ValueError(f"one or two odd numbers up to {_WIDEST}, such as 5 or 5x3")
    return found[0], found[-1]


def box(text: str) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) in pixels."""
    left, top, right, bottom = sides(4)(text)
    if left >= right or top >= bottom:
        raise ValueError("left x top x right x bottom, right of left and below top")
    return left, top, right, bottom


def colour(text: str) -> str:
    """``#FFF`` or ``#FFFFFF``."""
    if not re.fullmatch(r"#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})", text):
        raise ValueError("a colour such as #FFFFFF")
    return text
