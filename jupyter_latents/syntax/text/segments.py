"""Where the template parts of a text are: expressions, tags and comments, found without rendering.

A text may come piece by piece (a logical line grows line by line). What is known at the end of a piece is a `State`, so
that no character is looked at again when the next piece comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

__all__ = ["OPENERS", "Segment", "State", "open_tags", "scan", "segments"]

_START = re.compile(r"\{\{|\{%|\{#")
_STOP = {
    "{{": re.compile(r"['\"=]|\}\}"),
    "{%": re.compile(r"['\"=]|%\}"),
    "{#": re.compile(r"#\}"),
}
_NAME = re.compile(r"\s*(\w*)")
_SIGN = re.compile(r"[-+]?")
_RAW_END = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_RAW_CUT = re.compile(r"\{%[-+]?\s*(?:endraw\s*)?\Z")
_STRING = {mark: re.compile(rf"{mark}(?:[^{mark}\\]|\\.)*{mark}", re.DOTALL) for mark in "'\""}
_STRING_REST = {mark: re.compile(rf"(?:[^{mark}\\]|\\.)*{mark}", re.DOTALL) for mark in "'\""}

OPENERS = frozenset({"if", "for", "macro", "call", "filter", "set", "raw", "with", "autoescape", "block"})
"""Tags that want an end tag; ``set`` only without ``=``."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a text.

    Attributes:
        kind: ``text``, ``{{`` (expression), ``{%`` (tag), ``{#`` (comment).
        start: Offset of the first character.
        end: Offset after the last character.
        name: Name of a tag, such as ``if``; otherwise empty.
        closed: Whether the closing braces are there.
        block: Whether a tag ``set`` has no ``=`` (then it wants an end tag).
    """

    kind: str
    start: int
    end: int
    name: str = ""
    closed: bool = True
    block: bool = True

    @property
    def opens(self) -> bool:
        """Whether it waits for its end tag, or for its own closing braces."""
        return self.kind != "text" and (
            not self.closed or (self.name in OPENERS and (self.name != "set" or self.block))
        )


@dataclass(frozen=True, slots=True)
class State:
    """What is open where a piece of text ends.

    Attributes:
        kind: The part that is open: nothing, ``{{``, ``{%``, ``{#``, or ``raw`` (text up to ``endraw``).
        name: Name of an open tag, None while only white space followed ``{%``; in ``raw``, the start of an end tag.
        block: Whether no ``=`` stands in the open tag so far.
        string: The quote mark of a string that is open in the part.
        lost: Quote marks that open no string, as no such mark follows.
    """

    kind: str = ""
    name: str | None = ""
    block: bool = True
    string: str = ""
    lost: frozenset[str] = frozenset()


class _Scan:
    """One piece of text while it is read."""

    def __init__(self, state: State, text: str) -> None:
        self.state, self.text = state, text
        self.position = self.start = 0
        self.parts: list[Segment] = []
        self.branches: list[tuple[State, list[Segment]]] = []

    def run(self) -> None:
        while self.position < len(self.text):
            if not self.state.kind:
                self._text()
            elif self.state.kind == "raw":
                self._raw()
            else:
                self._part()
        if self.state.kind in _STOP:
            self.parts.append(self._open())

    def _plain(self, end: int) -> None:
        if end > self.position:
            self.parts.append(Segment("text", self.position, end))
        self.position = end

    def _text(self) -> None:
        found = _START.search(self.text, self.position)
        self._plain(found.start() if found else len(self.text))
        if found:
            self.start, self.position = found.start(), found.end()
            self.state = State(found[0], None if found[0] == "{%" else "", lost=self.state.lost)
            if found[0] == "{%":
                self._name(_SIGN.match(self.text, self.position).end())  # type: ignore[union-attr]

    def _name(self, position: int) -> None:
        """Reads a tag's name; it stays None where nothing but white space follows yet."""
        match = _NAME.match(self.text, position)
        if match and (match[1] or match.end() < len(self.text)):
            self.state = replace(self.state, name=match[1])

    def _raw(self) -> None:
        cut = self.state.name or ""
        ending = _RAW_END.search(cut + self.text[self.position :] if cut or self.position else self.text)
        shift = self.position - len(cut)
        if ending is None:
            partial = _RAW_CUT.search(cut + self.text[self.position :])
            self._plain(len(self.text))
            self.state = replace(self.state, name=re.sub(r"\s+", " ", partial[0]) if partial else "")
            return
        self._plain(max(self.position, ending.start() + shift))
        self.parts.append(Segment("{%", self.position, ending.end() + shift, "endraw"))
        self.position = ending.end() + shift
        self.state = State(lost=self.state.lost)

    def _part(self) -> None:
        """Goes on to the end of the open part, or of the text."""
        if self.state.name is None and not self.position:
            self._name(0)
        stop = _STOP[self.state.kind]
        while found := stop.search(self.text, self.position):
            self.position = found.end()
            if found[0] == "=":
                self.state = replace(self.state, block=False)
            elif found[0] in "'\"":
                self._string(found[0], found.start())
            else:
                self._close()
                return
        self.position = len(self.text)

    def _string(self, mark: str, at: int) -> None:
        """Goes over a string; where it has no end yet, two readings of the text are followed."""
        if mark in self.state.lost:
            return
        if string := _STRING[mark].match(self.text, at):
            self.position = string.end()
            return
        self.branches.append((replace(self.state, string=mark), [*self.parts, self._open()]))
        self.state = replace(self.state, lost=self.state.lost | {mark})

    def _open(self) -> Segment:
        return Segment(self.state.kind, self.start, len(self.text), self.state.name or "", False, self.state.block)

    def _close(self) -> None:
        state = self.state
        self.parts.append(Segment(state.kind, self.start, self.position, state.name or "", True, state.block))
        self.state = State("raw" if state.name == "raw" else "", lost=state.lost)


def scan(state: State, text: str) -> tuple[bool, list[tuple[State, list[Segment]]]]:
    """Reads a piece of text.

    A quote mark opens a string only if the string ends somewhere; while that may still come, the text has several
    readings. The last one holds for the text as it stands: a string without its end is none.

    Args:
        state: What was open at its start.
        text: The piece.

    Returns:
        Whether the string that was open at the start ended (then less likely readings end with it), and the readings,
        the likeliest first: what is open at the end, and the parts of the piece.
    """
    reading = _Scan(state, text)
    if state.string:
        ending = _STRING_REST[state.string].match(text)
        if ending is None:
            return False, [(state, [Segment(state.kind, 0, len(text), state.name or "", False, state.block)])]
        reading.position = ending.end()
        reading.state = replace(state, string="")
    reading.run()
    return True, [*reading.branches, (reading.state, reading.parts)]


def segments(text: str) -> Iterator[Segment]:
    """Yields the parts of `text` in order; together they are the whole text."""
    _, readings = scan(State(), text)
    yield from readings[-1][1]


def open_tags(text: str) -> list[Segment]:
    """Returns the tags of `text` that wait for their end tag, and an expression, tag or comment cut off at its end."""
    waiting: list[Segment] = []
    for part in segments(text):
        if part.opens:
            waiting.append(part)
        elif part.name.startswith("end") and waiting:
            waiting.pop()
    return waiting
