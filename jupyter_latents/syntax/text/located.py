"""Text that remembers where each of its characters was written, so that errors can point at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from jupyter_latents.errors import Place

__all__ = ["Line", "Located", "Locator", "Origin", "join"]

Locator: TypeAlias = Callable[[int, int], Place | None]
"""Given an offset and a length in a value's text, where that stands in the script."""


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line.

    Attributes:
        number: Line number as shown to people.
        text: What is read, after a template block was rendered.
        original: What was written; the same as `text` outside template blocks.
        depth: How many template blocks made this line.
    """

    number: int
    text: str
    original: str
    depth: int = 0

    def place(self, start: int, end: int) -> Place:
        """Where the characters from `start` to `end` (0 for the first) were written."""
        if self.text == self.original:
            return Place(self.number, start + 1, self.original, max(1, end - start))
        found = self.original.find(self.text[start:end]) if end > start else -1
        if found >= 0:
            return Place(self.number, found + 1, self.original, end - start)
        indent = len(self.original) - len(self.original.lstrip())
        return Place(self.number, indent + 1, self.original, max(1, len(self.original.strip())))


@dataclass(frozen=True, slots=True)
class Origin:
    """The part of a physical line that one character came from (a whole expression, for rendered text)."""

    line: Line
    start: int
    end: int
    dynamic: bool = False


@dataclass(frozen=True, slots=True)
class Located:
    """A text with an origin for each of its characters."""

    text: str
    origins: tuple[Origin, ...]

    @classmethod
    def of(cls, line: Line, start: int = 0, end: int | None = None) -> Located:
        """The characters of `line` from `start` to `end`."""
        stop = len(line.text) if end is None else end
        return cls(line.text[start:stop], tuple(Origin(line, i, i + 1) for i in range(start, stop)))

    @classmethod
    def made(cls, text: str, origin: Origin) -> Located:
        """Rendered `text`, all of it from one expression."""
        made = Origin(origin.line, origin.start, origin.end, dynamic=True)
        return cls(text, (made,) * len(text))

    def __getitem__(self, part: slice) -> Located:
        return Located(self.text[part], self.origins[part])

    def __len__(self) -> int:
        return len(self.text)

    @property
    def dynamic(self) -> bool:
        """Whether any of it was rendered or expanded."""
        return any(origin.dynamic for origin in self.origins)

    def strip(self) -> Located:
        """Without white space at both ends."""
        start = len(self.text) - len(self.text.lstrip())
        return self[start : max(start, len(self.text.rstrip()))]

    def origin(self, start: int, length: int = 1) -> Origin | None:
        """The part of one physical line that `length` characters from `start` came from."""
        if not self.origins:
            return None
        start = min(max(0, start), len(self.origins) - 1)
        first = self.origins[start]
        covered = [o for o in self.origins[start : start + max(1, length)] if o.line is first.line]
        return Origin(first.line, first.start, max(o.end for o in covered), first.dynamic)

    def place(self, start: int = 0, length: int | None = None) -> Place | None:
        """Where `length` characters from `start` were written; None for an empty text."""
        origin = self.origin(start, len(self.text) - start if length is None else length)
        return None if origin is None else origin.line.place(origin.start, origin.end)


def join(parts: Iterable[Located]) -> Located:
    """The parts one after the other."""
    pieces = list(parts)
    return Located("".join(p.text for p in pieces), tuple(o for p in pieces for o in p.origins))
