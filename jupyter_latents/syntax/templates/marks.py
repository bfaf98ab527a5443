"""Marks: characters in a text that stand for what is not there yet, values of the environment and seeds to be drawn."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

__all__ = [
    "Undrawn", "bare_marks", "cut", "drawn_later", "line_mark", "line_numbers", "mark", "named", "undrawn_in", "unveil",
    "veil", "veiled_names", "veiled_parts", "without_draws", "without_lines",
]  # fmt: skip

# Symbols that Python writes as they are, so that a text may be quoted by `repr`; no word and no name holds them.
_START, _END = f"\U0001d100{secrets.token_hex(8)}_", "\U0001d101"
_VEIL = re.compile(re.escape(_START) + r"e_(?:(\d+)\.)?(\w+)" + _END)
_DRAW = re.compile(re.escape(_START) + r"s_(\d+)" + _END)
_LINE = re.compile("\x02(\\d+)\x03")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\Z)""", re.DOTALL)


def mark(text: str) -> str:
    """Characters that stand for something until it is there; no text from outside can hold them.

    Args:
        text: What they stand for, letters and digits.
    """
    return f"{_START}{text}{_END}"


def line_mark(number: int) -> str:
    """What stands in a block for the number of the line that follows."""
    return f"\x02{number}\x03"


def line_numbers(text: str) -> list[int]:
    """The numbers of lines in a text that a block has made."""
    return [int(number) for number in _LINE.findall(text)]


def without_lines(text: str) -> str:
    """A text that a block has made, without the numbers of lines."""
    return _LINE.sub("", text)


def veil(name: str, part: int | None = None) -> str:
    """The text that stands for an environment variable until a run reads it.

    Args:
        name: The variable.
        part: Which word of its value is meant; None for the whole value.
    """
    return mark(f"e_{name}" if part is None else f"e_{part}.{name}")


def veiled_parts(text: str) -> list[tuple[str, int | None]]:
    """The environment variables that a text stands for, each with the word of its value, or None for the whole."""
    return [(name, int(part) if part else None) for part, name in _VEIL.findall(text)]


def veiled_names(text: str) -> list[str]:
    """The environment variables that a text stands for."""
    return [name for _, name in _VEIL.findall(text)]


def unveil(text: str, value: Callable[[str, int | None], str]) -> str:
    """A text with `value(name, part)` in place of each environment variable that it stands for."""
    return _VEIL.sub(lambda match: value(match[2], int(match[1]) if match[1] else None), text)


def named(text: str) -> str:
    """A text of a script: ``$NAME`` in place of each environment variable that it stands for."""
    return _VEIL.sub(lambda match: f"${{{match[2]}}}" if _goes_on(text, match.end()) else f"${match[2]}", text)


def _goes_on(text: str, end: int) -> bool:
    """Whether a name would take in what follows it."""
    return text[end : end + 1].isalnum() or text[end : end + 1] == "_"


def bare_marks(text: str, value: Callable[[str, int | None], str]) -> str:
    """A text with `value(name, part)` in place of each environment variable outside its quoted strings."""
    parts, position = [], 0
    for quoted in _QUOTED.finditer(text):
        parts += [unveil(text[position : quoted.start()], value), quoted[0]]
        position = quoted.end()
    return "".join([*parts, unveil(text[position:], value)])


def cut(text: str, length: int) -> str:
    """The first characters of a text, without a part of a mark at their end."""
    start = text.rfind(_START[0], 0, length)
    inside = start >= 0 and text.startswith(_START, start) and text.find(_END, start) >= length
    return text[: start if inside else length]


def without_draws(text: str) -> str:
    """A text for people: seeds that a run is yet to draw say so."""
    return _DRAW.sub("(drawn at the run)", text)


class Undrawn(int):
    """A seed that the run draws, numbered; a plan draws none."""

    def __str__(self) -> str:
        return mark(f"s_{int(self)}")

    def __repr__(self) -> str:
        return f"<seed {int(self)}, drawn at the run>"


def undrawn_in(text: str) -> Undrawn | None:
    """The seed that the whole of a text stands for, where a run is yet to draw it."""
    found = _DRAW.fullmatch(text)
    return Undrawn(found[1]) if found else None


def drawn_later(text: str) -> bool:
    """Whether a text holds seeds that a run is yet to draw."""
    return bool(_DRAW.search(text))
