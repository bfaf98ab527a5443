"""What is still open in a text that grows line by line: quotes, tags and blocks; and where comments begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .quoting import string_rest
from .segments import Segment, State, scan, segments

__all__ = ["Unfinished", "bare", "without_comment"]


def _comment(text: str, parts: Sequence[Segment], quote: str = "") -> tuple[int, int, str]:
    """The offset of the first comment of `text`; offset and mark of the quote that is open at its end; -1 for none.

    Quotes and template parts may hold a ``#``.
    """
    hidden = [part for part in parts if part.kind != "text"]
    index = position = 0
    if quote:
        position = string_rest(text, 0, quote)
        if position < 0:
            return -1, 0, quote
    while position < len(text):
        while index < len(hidden) and hidden[index].end <= position:
            index += 1
        character = text[position]
        if index < len(hidden) and hidden[index].start <= position:
            position = hidden[index].end
        elif character == "\\" and position + 1 < len(text):
            position += 2
        elif character in "\"'":
            end = string_rest(text, position + 1, character)
            if end < 0:
                return -1, position, character
            position = end
        elif character == "#" and (position == 0 or text[position - 1].isspace()):
            return position, -1, "#"
        else:
            position += 1
    return -1, -1, ""


def without_comment(text: str) -> tuple[str, int]:
    """Returns `text` without a comment at its end, and the offset of a quote that is still open, or -1.

    Quotes and template parts may hold a ``#``.
    """
    at, quote, _ = _comment(text, list(segments(text)))
    return (text, quote) if at < 0 else (text[:at], -1)


def bare(text: str) -> tuple[str, tuple[int, ...]]:
    r"""A physical line without the comment at its end, and the offsets of the backslashes in each ``\#`` of it.

    Strings that end on the line, and template parts, may hold a ``#``. One that goes on over the end is bare text.
    """
    if "#" not in text:
        return text, ()
    hidden = [part for part in segments(text) if part.kind != "text"]
    index, position, open_end, escapes = 0, 0, False, []
    while position < len(text):
        while index < len(hidden) and hidden[index].end <= position:
            index += 1
        character, step = text[position], 1
        if index < len(hidden) and hidden[index].start <= position:
            step = hidden[index].end - position
        elif character == "\\":
            step = 2
            escapes += [position] if text[position + 1 : position + 2] == "#" else []
        elif character in "\"'" and not open_end:
            end = string_rest(text, position + 1, character)
            open_end, step = end < 0, max(end - position, 1)
        elif character == "#" and (position == 0 or text[position - 1].isspace()):
            return text[:position], tuple(escapes)
        position += step
    return text, tuple(escapes)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading of the text so far.

    Attributes:
        state: What is open at its end.
        depth: How many tags wait for their end tags.
        quote: The quote mark that is open, or ``#`` after a comment.
    """

    state: State
    depth: int = 0
    quote: str = ""

    def after(self, text: str, state: State, parts: Sequence[Segment]) -> _Reading:
        depth = self.depth
        for part in parts:
            if part.closed:
                depth = depth + 1 if part.opens else max(0, depth - part.name.startswith("end"))
        if self.quote == "#":
            return _Reading(state, depth, "#")
        return _Reading(state, depth, _comment(text, parts, self.quote)[2])


class Unfinished:
    """A text that grows; each piece that is added ends with white space."""

    def __init__(self) -> None:
        self._readings = [_Reading(State())]

    def _after(self, text: str) -> list[tuple[_Reading, _Reading, list[Segment]]]:
        found: list[tuple[_Reading, _Reading, list[Segment]]] = []
        for reading in self._readings:
            ended, ways = scan(reading.state, text)
            found.extend((reading, reading.after(text, state, parts), parts) for state, parts in ways)
            if ended:
                break
        return found

    def add(self, text: str) -> None:
        """Adds a piece."""
        self._readings = [after for _, after, _ in self._after(text)]

    def without_comment(self, text: str) -> tuple[str, int]:
        """What :func:`without_comment` says of the next piece, which is not added; an open quote may be older."""
        before, _, parts = self._after(text)[-1]
        if before.quote == "#":
            return "", -1
        at, quote, _ = _comment(text, parts, before.quote)
        return (text, quote) if at < 0 else (text[:at], -1)

    @property
    def cut(self) -> bool:
        """Whether an expression, tag or comment is cut off at the end."""
        return self._readings[-1].state.kind not in {"", "raw"}

    @property
    def waiting(self) -> bool:
        """Whether an end tag, or the end of an expression, tag or comment, is to come."""
        return self.cut or self._readings[-1].depth > 0
