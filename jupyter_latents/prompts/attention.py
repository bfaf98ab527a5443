"""Weights inside a text: round brackets raise, square ones lower, ``(x:1.3)`` says how much."""

from __future__ import annotations

import math
import re
from itertools import groupby
from typing import NamedTuple

from .faults import DEEPEST, LARGEST, fault

__all__ = ["BREAK", "WeightedText", "attention"]

BREAK = "BREAK"
"""The word that starts a new chunk."""
_ROUND, _SQUARE = 1.1, 1 / 1.1
_TOKEN = re.compile(
    r"\\(?P<escaped>[\\()\[\]])"
    r"|\\"
    r"|(?P<mark>[()\[\]])"
    r"|:\s*(?P<weight>[+-]?[.\d]+)\s*\)"
    r"|:\s*(?P<bad>[+-]?(?:(?:\d+\.?\d*|\.\d+)e[+-]?\d+|inf|infinity|nan))\s*\)"
    r"|[^\\()\[\]:]+|:",
    re.IGNORECASE,
)
_BREAKS = re.compile(r"\bBREAK\b")
_ADVICE = f"give a number such as 1.3, at most {LARGEST:g}, or write \\( and \\) for brackets of the text."


class WeightedText(NamedTuple):
    """Text of one weight; ``BREAK`` with a weight below 0 where a new chunk begins."""

    text: str
    weight: float


class _Weighing:
    """Pieces while brackets open and close: each closing multiplies what stands since its opening."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces: list[list[str | float]] = []
        self.starts: list[int] = []
        self.round: list[int] = []
        self.square: list[int] = []

    def add(self, text: str, start: int, weight: float = 1.0) -> None:
        """Puts a piece at the end."""
        self.pieces.append([text, weight])
        self.starts.append(start)

    def words(self, text: str, start: int) -> None:
        """Puts text at the end, with chunks that begin in it."""
        first, *rest = _BREAKS.split(text)
        self.add(first.rstrip() if rest else first, start)
        for number, part in enumerate(rest, 1):
            self.add(BREAK, start, -1.0)
            self.add(part.strip() if number < len(rest) else part.lstrip(), start)

    def opens(self, mark: str, start: int) -> None:
        """A bracket opens."""
        if len(self.round) + len(self.square) == DEEPEST:
            raise fault(self.text, start, 1, f"is bracket {DEEPEST + 1} inside another; leave some out.")
        (self.round if mark == "(" else self.square).append(len(self.pieces))

    def closes(self, opened: list[int], weight: float) -> None:
        """The latest bracket of its kind closes."""
        for piece in self.pieces[opened.pop() :]:
            piece[1] = float(piece[1]) * weight

    def done(self) -> tuple[WeightedText, ...]:
        """The pieces, what stands side by side with one weight as one; brackets left open reach to the end."""
        while self.round:
            self.closes(self.round, _ROUND)
        while self.square:
            self.closes(self.square, _SQUARE)
        for (text, weight), start in zip(self.pieces, self.starts, strict=True):
            if abs(float(weight)) > LARGEST:
                what = f"has a weight of {float(weight):.3g} from all the brackets around it; {_ADVICE}"
                raise fault(self.text, start, len(str(text)), what)
        alike = groupby(self.pieces, key=lambda piece: (piece[0] == BREAK, piece[1]))
        joined = tuple(WeightedText("".join(str(text) for text, _ in same), float(key[1])) for key, same in alike)
        return joined or (WeightedText("", 1.0),)


def attention(text: str) -> tuple[WeightedText, ...]:
    """A text in pieces of one weight each, in A1111's grammar; schedules are not looked for.

    Args:
        text: One row of a prompt.

    Raises:
        SettingError: A weight that is no number or above `LARGEST`, or too many brackets inside each other.
    """
    weighing = _Weighing(text)
    for token in _TOKEN.finditer(text):
        _take(weighing, token)
    return weighing.done()


def _take(weighing: _Weighing, token: re.Match[str]) -> None:
    start, mark, weight = token.start(), token["mark"], token["weight"] or token["bad"]
    if token["escaped"]:
        weighing.add(token["escaped"], start)
    elif mark in ("(", "["):
        weighing.opens(mark, start)
    elif weight and weighing.round:
        weighing.closes(weighing.round, _number(weighing.text, weight, token))
    elif mark == ")" and weighing.round:
        weighing.closes(weighing.round, _ROUND)
    elif mark == "]" and weighing.square:
        weighing.closes(weighing.square, _SQUARE)
    elif token[0] != "\\":
        weighing.words(token[0], start)


def _number(text: str, weight: str, token: re.Match[str]) -> float:
    name = "weight" if token["weight"] else "bad"
    try:
        number = float(weight)
    except ValueError:
        number = math.nan
    if not abs(number) <= LARGEST or token["bad"]:
        raise fault(text, token.start(name), len(weight), f"is no weight; {_ADVICE}")
    return number
