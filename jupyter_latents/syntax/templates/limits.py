"""Arithmetic of scripts, with limits on what it may make."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import zip_longest
from typing import Any

__all__ = [
    "LIMIT", "add", "check_format", "check_length", "check_shapes", "check_text", "check_whole", "joined", "multiply",
    "percent", "power", "rounded", "shift",
]  # fmt: skip

LIMIT = 100_000
"""Longest range, list or text that a script's own arithmetic may make."""
_TEXT = 10 * LIMIT
"""Longest text that is put together of others."""


_WHOLE = 1_000_000
"""Items of a list and of the lists in it, at most."""
_NUMBERS = 10_000_000
"""Of an array that two smaller ones are put together to, at most."""
_BITS = 4096
"""Of a whole number, at most; Python writes no number of more than 4,300 digits."""
_LETTERS = 20
"""Letters that count as much as an item."""
_HOLDERS = (list, tuple, dict, set, frozenset, deque)

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


def check_whole(value: Any) -> None:
    """Checks how much a list or dict holds in all, what stands in it several times counted as often.

    Args:
        value: Any value.

    Raises:
        ValueError: Too much to be written, compared or looked through.
    """
    if not isinstance(value, _HOLDERS):
        return
    totals: dict[int, int] = {}
    waiting: list[tuple[Any, bool]] = [(value, False)]
    while waiting:
        one, entered = waiting.pop()
        if id(one) in totals and not entered:
            continue
        parts = [*one.keys(), *one.values()] if isinstance(one, Mapping) else one
        if not entered:
            totals[id(one)] = 1
            waiting.append((one, True))
            waiting.extend((part, False) for part in parts if isinstance(part, _HOLDERS))
            continue
        total = sum(totals[id(part)] if isinstance(part, _HOLDERS) else 1 + _letters(part) for part in parts)
        if total > _WHOLE:
            raise ValueError(f"a list that holds more than {_WHOLE} items in all is refused")
        totals[id(one)] = 1 + total


def _letters(part: Any) -> int:
    return len(part) // _LETTERS if isinstance(part, str) else 0


def check_shapes(left: Any, right: Any) -> None:
    """Checks how many numbers come out where two arrays or tensors are put together.

    Args:
        left: Any value.
        right: Another.

    Raises:
        ValueError: Too many.
    """
    shapes = [tuple(getattr(one, "shape", ())) for one in (left, right)]
    sides = zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1)
    count, largest = math.prod(max(pair) for pair in sides), max(map(math.prod, shapes))
    if count > max(_NUMBERS, largest):
        raise ValueError(f"an array of more than {_NUMBERS} numbers is refused")


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
    whole = isinstance(base, int) and isinstance(exponent, (int, float)) and base not in (0, 1, -1)
    if whole and base.bit_length() * abs(exponent) > _BITS:
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
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > _BITS:
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
