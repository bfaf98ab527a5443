"""Arithmetic of scripts, with limits on what it may make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = [
    "LIMIT", "add", "check_format", "check_length", "check_text", "joined", "multiply", "percent", "power", "rounded",
    "shift",
]  # fmt: skip

LIMIT = 100_000
"""Longest range, list or text that a script's own arithmetic may make."""
_TEXT = 10 * LIMIT
"""Longest text that is put together of others."""


_DIGITS = re.compile(r"\d+")
_NESTED = re.compile(r"\{[^{}]*\{|%[^%\w]*\*|\.\*")


def check_length(length: int) -> None:
    """Checks the length of a text or list that is put together of others.

    Args:
        length: How long it will be.

    Raises:
        ValueError: It would be too long.
    """
    if length > _TEXT:
        raise ValueError(f"a text or list longer than {_TEXT} is refused")


def add(left: Any, right: Any) -> Any:
    """A sum; texts and lists stay short.

    Raises:
        ValueError: It would be too long.
    """
    if isinstance(left, (str, bytes, list, tuple)) and isinstance(right, type(left)):
        check_length(len(left) + len(right))
    return left + right


def joined(parts: Iterable[Any]) -> str:
    """Texts one after the other.

    Raises:
        ValueError: It would be too long.
    """
    texts, length = [], 0
    for part in parts:
        texts.append(str(part))
        length += len(texts[-1])
        check_length(length)
    return "".join(texts)


def rounded(number: Any, digits: int | None = None) -> Any:
    """A number, rounded.

    Raises:
        ValueError: To more digits than numbers have.
    """
    if digits is not None and abs(digits) > 1000:
        raise ValueError("more than 1000 digits are refused")
    return round(number, digits)


def check_format(text: str, values: Iterable[Any]) -> None:
    """Checks the widths in a text that values are put into by ``%`` or ``format``.

    Args:
        text: The text.
        values: What is put into it; a width may be among them.

    Raises:
        ValueError: One is too large, or the whole is.
    """
    given = list(values)
    widths = [int(digits[:9]) for digits in _DIGITS.findall(text)]
    if _NESTED.search(text):
        widths += [value for value in given if isinstance(value, int)]
    check_length(len(text) + sum(map(abs, widths)) + sum(len(value) for value in given if isinstance(value, str)))


_SIZES: dict[str, Callable[..., int]] = {
    "replace": lambda text, old, new, *_: len(text) + (text.count(old) if old else len(text) + 1) * len(new),
    "join": lambda text, items: sum(len(text) + len(item) for item in items if isinstance(item, str)),
    "translate": lambda text, table: (
        len(text) * max(map(_length, table.values()), default=1) if isinstance(table, Mapping) else len(text)
    ),
    "expandtabs": lambda text, size=8: len(text) + text.count("\t") * size,
}


def _length(value: object) -> int:
    return len(value) if isinstance(value, str) else 1


def check_text(owner: str, name: str, arguments: list[Any]) -> None:
    """Checks how long a text is that a method makes.

    Args:
        owner: The text that it is a method of.
        name: The method.
        arguments: What it is called with; a series in it must be a list.

    Raises:
        ValueError: It would be too long.
    """
    if name not in _SIZES:
        return
    try:
        size = _SIZES[name](owner, *arguments)
    except (TypeError, AttributeError):
        return  # the method itself says what is wrong with its arguments
    check_length(size)


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
    """The rest of a division, or values in a text.

    Raises:
        ValueError: The text would be too long.
    """
    if isinstance(left, str):
        values = right if isinstance(right, tuple) else right.values() if isinstance(right, dict) else (right,)
        check_format(left, values)
    return left % right
