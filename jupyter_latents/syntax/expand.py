"""Expressions and environment names within one logical line, expanded with a thought for the quotes around them."""

from __future__ import annotations

import re

from .templates.environment import Environment
from .templates.marks import mark
from .templates.template import check_template, render
from .text.lines import Logical
from .text.located import Located, join
from .text.quoting import escape
from .text.segments import Segment, segments

__all__ = ["UNKNOWN", "expand"]

UNKNOWN = mark("unknown")
"""Stands for what is only known when a line is reached, in a check without running."""

_ENVIRON = re.compile(r"(?<!\\)(\\*)(?:\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)|%([A-Za-z_]\w*)%)")


_OTHER = re.compile(r"\s--?[A-Za-z]")


class _Expander:
    def __init__(self, source: Located, environment: Environment | None, *, raw: bool) -> None:
        self.source, self.environment, self.raw = source, environment, raw
        self.parts: list[Located] = []
        self.quote = ""

    def literal(self, start: int, end: int) -> None:
        """Copies written text and expands environment names in it."""
        for match in _ENVIRON.finditer(self.source.text, start, end):
            self.keep(start, match.end(1))
            start = match.end(1)
            if len(match[1]) % 2 or (self.quote == "'" and not self.raw):
                continue
            self.made(self.value(match[2] or match[3] or match[4], start, match.end()), start, match.end())
            start = match.end()
        self.keep(start, end)

    def value(self, name: str, start: int, end: int) -> str:
        if self.environment is None:
            return UNKNOWN
        if not self.raw:
            self.environment.note_unset(name, self.source.place(start, end - start))
        return self.environment.variable(name)

    def keep(self, start: int, end: int) -> None:
        self.parts.append(self.source[start:end])
        self.advance(self.source.text[start:end])

    def made(self, text: str, start: int, end: int) -> None:
        """Adds rendered text; inside quotes it is data and cannot end them."""
        origin = self.source.origin(start, end - start)
        if origin is None:
            return
        if self.quote:
            text = escape(text)
        elif self.environment is not None and not self.raw:
            text = self.environment.settle(text)
        self.parts.append(Located.made(text, origin))
        self.advance(text)

    def advance(self, text: str) -> None:
        position = 0
        while position < len(text) and not self.raw:
            character = text[position]
            if character == "\\":
                run = position
                while run < len(text) and text[run] == "\\":
                    run += 1
                position = run + 1 if (run - position) % 2 and text[run : run + 1] in {'"', "'", "$", "%"} else run
                continue
            if character in "\"'" and self.quote in {"", character}:
                self.quote = "" if self.quote else character
            position += 1

    def named(self, made: str, start: int, end: int) -> str:
        """The variable of the environment where rendered text stands behind a ``$``; else the text."""
        before = "".join(part.text for part in self.parts[-1:])
        marked = before.endswith("$") and (len(before) - len(before[:-1].rstrip("\\"))) % 2
        if not marked or not re.fullmatch(r"[A-Za-z_]\w*", made) or (self.quote == "'" and not self.raw):
            return made
        self.parts[-1] = self.parts[-1][:-1]
        return self.value(made, start, end)

    def template(self, start: int, end: int) -> None:
        """Renders the part of the line from `start` to `end`."""
        text = self.source.text[start:end]
        origin = self.source.origin(start, end - start)
        if self.environment is None:
            if origin is not None:
                check_template(text, origin.line, origin.start)
            self.made(UNKNOWN, start, end)
            return
        text = "".join(_environ_in_template(text[part.start : part.end], part.kind) for part in segments(text))
        self.environment.preceding = "" if _OTHER.search(self.source.text, start, end) else self.source.text[:start]
        self.environment.in_words = not self.raw
        try:
            made = render(text, self.environment, self.source.place(start, end - start))
            self.made(self.named(made, start, end), start, end)
        finally:
            self.environment.in_words = False


def _environ_in_template(text: str, kind: str) -> str:
    """Written text between tags, with its environment names as template expressions."""
    if kind != "text":
        return text
    return _ENVIRON.sub(lambda m: m[0] if len(m[1]) % 2 else f"{m[1]}{{{{ env.{m[2] or m[3] or m[4]} }}}}", text)


def _tagged(parts: list[Segment]) -> tuple[int, int] | None:
    """The part of a line from its first tag to what reads it last, which is rendered as one template."""
    tags = [part for part in parts if part.kind in ("{%", "{{")]
    while tags and tags[0].kind == "{{":
        tags.pop(0)
    return (tags[0].start, tags[-1].end) if tags else None


def expand(line: Logical, environment: Environment | None, *, start: int = 0, raw: bool = False) -> Located:
    r"""Expands a logical line.

    Args:
        line: The line.
        environment: What it sees; None to check without running, which puts :data:`UNKNOWN` for what is expanded.
        start: Offset to begin at.
        raw: Whether quotes mean nothing on this line (``\set``, ``\print``).

    Raises:
        ScriptError: A template cannot be read, or its evaluation failed.
    """
    source = line.text[start:]
    expander = _Expander(source, environment, raw=raw)
    parts = list(segments(source.text))
    span = _tagged(parts)
    for part in parts:
        if span and span[0] <= part.start < span[1]:
            if part.start == span[0]:
                expander.template(*span)
        elif part.kind == "{{":
            expander.template(part.start, part.end)
        elif part.kind == "text":
            expander.literal(part.start, part.end)
    return join(expander.parts)
