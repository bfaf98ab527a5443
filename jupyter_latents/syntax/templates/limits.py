"""Arithmetic of scripts, with limits on what it may make."""

from __future__ import annotations

from typing import Any

__all__ = ["LIMIT", "multiply", "percent", "power", "shift"]

LIMIT = 100_000
"""Longest range, list or text that a script's own arithmetic may make."""


def power(base: Any, exponent: Any, modulus: Any = None) -> Any:
    """A power, of small exponents and numbers.

    Raises:
        ValueError: It would be too large.
    """
    if modulus is not None:
        return pow(base, exponent, modulus)
    if isinstance(exponent, (int, float)) and abs(exponent) > 1000:
        raise ValueError("exponents above 1000 are refused")
    if isinstance(base, int) and base.bit_length() > 1024:
        raise ValueError("powers of numbers this large are refused")
    return pow(base, exponent)


def multiply(left: Any, right: Any) -> Any:
    """A product; texts and lists stay short, numbers small.

    Raises:
        ValueError: It would be too large.
    """
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, (str, bytes, list, tuple)) and isinstance(count, int) and len(sequence) * count > LIMIT:
            raise ValueError(f"a text or list longer than {LIMIT} is refused")
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > 4096:
        raise ValueError("numbers this large are refused")
    return left * right


def shift(left: Any, right: Any) -> Any:
    """A number shifted left.

    Raises:
        ValueError: It would be too large.
    """
    if isinstance(right, int) and right > 1024:
        raise ValueError("shifts above 1024 are refused")
    return left << right


def percent(left: Any, right: Any) -> Any:
    """The rest of a division.

    Raises:
        TypeError: For texts.
    """
    if isinstance(left, (str, bytes)):
        raise TypeError("% is for numbers here; use + and str() for texts")
    return left % right
