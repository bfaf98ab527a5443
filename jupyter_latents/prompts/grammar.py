"""Which brackets of a prompt change with the steps, in A1111's grammar; all others stay as text.

``[a:b:N]``, ``[a:N]`` and ``[a::N]`` switch, ``[a|b]`` takes turns; they nest, and hold round and square brackets that
close. A bracket that does not close, or holds colons that are none of these, is text, and so is every bracket around
it. Where a ``|`` takes no turns, or a backslash escapes nothing, all of the prompt is text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from .faults import DEEPEST, fault

__all__ = ["Node", "Switch", "Turns", "is_literal", "read"]


@dataclass(frozen=True, slots=True)
class Switch:
    """``[before:after:at]``.

    Attributes:
        before: What holds up to and including the step `at`.
        after: What holds from then on.
        at: The number as written: with a point a fraction of the steps, else a step.
        start: Offset of `at` in the prompt.
    """

    before: Sequence[Node]
    after: Sequence[Node]
    at: str
    start: int


@dataclass(frozen=True, slots=True)
class Turns:
    """``[one|two|three]``: a step each, in turn."""

    ways: Sequence[Sequence[Node]]


Node: TypeAlias = str | Switch | Turns

_TOKEN = re.compile(r"\\.|[^\\\[\]():|]+|[\[\]():|]")
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_CLOSES = {")": "(", "]": "["}


@dataclass(slots=True)
class _Open:
    """A bracket that is open: what it holds between its colons or bars."""

    mark: str
    marks: list[str] = field(default_factory=list)
    parts: list[list[Node]] = field(default_factory=lambda: [[]])
    last: int = 0

    def text(self) -> list[Node]:
        """It and what it holds, the bracket and its marks as text."""
        held = chain.from_iterable((mark, *part) for mark, part in zip(self.marks, self.parts[1:], strict=True))
        return [self.mark, *self.parts[0], *held]


class _TextError(Exception):
    """All of the prompt is text."""


def read(prompt: str) -> list[Node]:
    """The nodes of a prompt, in their order; a single text where the grammar does not hold.

    Args:
        prompt: The prompt.

    Raises:
        SettingError: Too many brackets are open at once.
    """
    try:
        return _Reader(prompt).nodes()
    except _TextError:
        return [prompt]


def is_literal(prompt: str) -> bool:
    """Whether all of a prompt is text because a ``|`` or a backslash in it has no meaning.

    Args:
        prompt: The prompt.

    Raises:
        SettingError: Too many brackets are open at once.
    """
    try:
        _Reader(prompt).nodes()
    except _TextError:
        return True
    return False


class _Reader:
    """Reads a prompt once from left to right, with a stack of the brackets that are open."""

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt
        self.top: list[Node] = []
        self.open: list[_Open] = []

    def nodes(self) -> list[Node]:
        """See `read`."""
        end = 0
        for token in _TOKEN.finditer(self.prompt):
            if token.start() != end:
                break
            end = token.end()
            self._take(token[0], token.start())
        if end != len(self.prompt):
            raise _TextError  # a backslash before nothing, or before the end of a line
        self._dissolve()
        return self.top

    def _take(self, mark: str, start: int) -> None:
        if mark in ("(", "["):
            if len(self.open) == DEEPEST:
                raise fault(self.prompt, start, 1, f"is bracket {DEEPEST + 1} inside another; leave some out.")
            self.open.append(_Open(mark))
        elif mark in _CLOSES:
            self._close(mark)
        elif mark in (":", "|") and self.open:
            self.open[-1].marks.append(mark)
            self.open[-1].parts.append([])
            self.open[-1].last = start + 1
        elif mark == "|":
            raise _TextError
        else:
            self._held.append(mark)

    @property
    def _held(self) -> list[Node]:
        return self.open[-1].parts[-1] if self.open else self.top

    def _close(self, mark: str) -> None:
        if not self.open or self.open[-1].mark != _CLOSES[mark]:
            self._dissolve()
            self.top.append(mark)
            return
        closed = self.open.pop()
        nodes = _round(closed) if mark == ")" else _square(closed)
        if nodes is None:
            self._dissolve()
            _no_bars(closed)
            nodes = [*closed.text(), mark]
        self._held.extend(nodes)

    def _dissolve(self) -> None:
        """Makes text of all brackets that are open."""
        for bracket in self.open:
            _no_bars(bracket)
            self.top.extend(bracket.text())
        self.open.clear()


def _no_bars(bracket: _Open) -> None:
    if "|" in bracket.marks:
        raise _TextError


def _round(closed: _Open) -> list[Node] | None:
    _no_bars(closed)
    return [*closed.text(), ")"] if len(closed.marks) < 2 else None


def _square(closed: _Open) -> list[Node] | None:
    kinds, parts = set(closed.marks), closed.parts
    if not kinds:
        return [*closed.text(), "]"]
    if kinds == {"|"}:
        return [Turns(parts)]
    _no_bars(closed)
    last = parts[-1]
    found = _NUMBER.fullmatch("".join(map(str, last))) if all(isinstance(node, str) for node in last) else None
    if found is None or len(parts) > 3:
        return None
    before: list[Node] = parts[0] if len(parts) == 3 else []
    return [Switch(before, parts[-2], found[1], closed.last + found.start(1))]
