"""Where the template parts of a text are: expressions, tags and comments, found without rendering."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["OPENERS", "Segment", "open_tags", "segments"]

_START = re.compile(r"\{\{|\{%|\{#")
_END = {"{{": "}}", "{%": "%}", "{#": "#}"}
_NAME = re.compile(r"[-+]?\s*(\w+)")
_RAW_END = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)

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


def _close(text: str, start: int, kind: str) -> int:
    end, position = _END[kind], start
    while position < len(text):
        string = None if kind == "{#" else _STRING.match(text, position)
        if string:
            position = string.end()
        elif text.startswith(end, position):
            return position + 2
        else:
            position += 1
    return -1


def segments(text: str) -> Iterator[Segment]:
    """Yields the parts of `text` in order; together they are the whole text."""
    position = 0
    while position < len(text):
        found = _START.search(text, position)
        if not found:
            yield Segment("text", position, len(text))
            return
        if found.start() > position:
            yield Segment("text", position, found.start())
        end = _close(text, found.end(), found[0])
        closed, stop = end > 0, end if end > 0 else len(text)
        name = _NAME.match(text, found.end()) if found[0] == "{%" else None
        body = _STRING.sub("", text[found.end() : stop])
        yield Segment(found[0], found.start(), stop, name[1] if name else "", closed, "=" not in body)
        position = stop
        if closed and name and name[1] == "raw":
            ending = _RAW_END.search(text, position)
            if ending is None or ending.start() > position:
                yield Segment("text", position, ending.start() if ending else len(text))
            position = ending.start() if ending else len(text)


def open_tags(text: str) -> list[Segment]:
    """Returns the tags of `text` that wait for their end tag, and an expression, tag or comment cut off at its end."""
    waiting: list[Segment] = []
    for part in segments(text):
        if part.kind == "text":
            continue
        if not part.closed or (part.name in OPENERS and (part.name != "set" or part.block)):
            waiting.append(part)
        elif part.name.startswith("end") and waiting:
            waiting.pop()
    return waiting
