r"""From physical lines to logical ones: comments go, continuations are joined, template blocks are rendered in place.

A line goes on when it ends with ``\`` or when the next line, comments aside, starts with ``-``. After a ``\`` blank
lines and comments may stand between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jupyter_latents.errors import ScriptError

from .quoting import string_end
from .segments import open_tags, segments
from .text import Line, Located, Origin, join

__all__ = ["Block", "Logical", "Reader", "without_comment"]

_BLOCK = ("{{", "{%", "{#")
_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Logical:
    """One logical line: a directive or an invocation."""

    text: Located

    @property
    def directive(self) -> bool:
        """Whether it starts with a backslash."""
        return self.text.text.startswith("\\")


@dataclass(frozen=True, slots=True)
class Block:
    """The physical lines of one template block, before rendering."""

    lines: tuple[Line, ...]


def without_comment(text: str) -> tuple[str, int]:
    """Returns `text` without a comment at its end, and the offset of a quote that is still open, or -1.

    Quotes and template parts may hold a ``#``.
    """
    hidden = [(part.start, part.end) for part in segments(text) if part.kind != "text"]
    position = 0
    while position < len(text):
        inside = next((end for start, end in hidden if start <= position < end), None)
        character = text[position]
        if inside is not None:
            position = inside
        elif character == "\\" and position + 1 < len(text):
            position += 2
        elif character in "\"'":
            end = string_end(text, position)
            if end < 0:
                return text, position
            position = end
        elif character == "#" and (position == 0 or text[position - 1].isspace()):
            return text[:position], -1
        else:
            position += 1
    return text, -1


class Reader:
    """Reads logical lines and blocks from physical ones.

    Args:
        lines: The physical lines.
        render: Makes the lines of a block; None to hand the blocks out as they are.
    """

    def __init__(self, lines: Iterator[Line], render: Callable[[list[Line]], Iterator[Line]] | None = None) -> None:
        self._sources: list[Iterator[Line]] = [lines]
        self._ahead: list[Line] = []
        self._render = render

    def _pull(self) -> Line | None:
        while self._sources:
            line = next(self._sources[-1], None)
            if line is not None:
                return line
            self._sources.pop()
        return None

    def _next(self) -> Line | None:
        return self._ahead.pop(0) if self._ahead else self._pull()

    def _option_follows(self) -> bool:
        """Whether the next line that is no comment starts with ``-``; comments before it are then dropped."""
        index = 0
        while True:
            if index == len(self._ahead):
                line = self._pull()
                if line is None:
                    return False
                self._ahead.append(line)
            text = self._ahead[index].text.strip()
            if not text.startswith("#"):
                break
            index += 1
        if text.startswith("-"):
            del self._ahead[:index]
            return True
        return False

    def _skip_to_content(self) -> Line | None:
        line = self._next()
        while line is not None and (not line.text.strip() or line.text.lstrip().startswith("#")):
            line = self._next()
        return line

    def __iter__(self) -> Iterator[Logical | Block]:
        while (line := self._skip_to_content()) is not None:
            start = line.text.lstrip()
            if start.startswith(_BLOCK) and not (start.startswith("{{") and self._goes_on(line)):
                block = self._block(line)
                if self._render is None:
                    yield block
                else:
                    self._enter(block)
            else:
                yield self._logical(line)

    def _goes_on(self, line: Line) -> bool:
        return line.text.rstrip().endswith("\\") or (not open_tags(line.text) and self._option_follows())

    def _enter(self, block: Block) -> None:
        first = block.lines[0]
        if first.depth >= _DEPTH:
            place = first.place(0, len(first.text))
            raise ScriptError(f"Template blocks make template blocks more than {_DEPTH} deep.", place=place)
        if self._render is not None:
            if self._ahead:
                self._sources.append(iter(self._ahead))
                self._ahead = []
            self._sources.append(self._render(list(block.lines)))

    def _block(self, first: Line) -> Block:
        lines = [first]
        text = first.text
        while waiting := open_tags(text):
            line = self._next()
            if line is None or text.rstrip().endswith("!END"):
                raise _unclosed(waiting[-1].name or waiting[-1].kind, waiting[-1].start, lines)
            if line.text.lstrip().startswith("#") and waiting[-1].closed:
                line = Line(line.number, "#", line.original, line.depth)
            lines.append(line)
            text += "\n" + line.text
        last = lines[-1]
        if last.text.rstrip().endswith("!END"):
            lines[-1] = Line(last.number, last.text.rstrip().removesuffix("!END"), last.original, last.depth)
        return Block(tuple(lines))

    def _logical(self, first: Line) -> Logical:
        parts: list[Located] = []
        line: Line | None = first
        pending = ""
        while line is not None:
            text, quote = without_comment(pending + line.text)
            text = text[len(pending) :].rstrip()
            backslash = text.endswith("\\")
            text = text[:-1].rstrip() if backslash else text
            indent = len(text) - len(text.lstrip())
            parts.append(Located.of(line, indent, len(text)))
            gap = Located.made(" ", _end(line, len(text)))
            whole = join(parts)
            waiting = open_tags(whole.text)
            if backslash:
                pending = whole.text + " " if quote >= 0 or waiting else ""
                line = self._skip_to_content()
            elif waiting:
                pending = whole.text + " "
                line = self._next()
                if line is None:
                    tag = waiting[-1]
                    place = whole.place(tag.start, tag.end - tag.start)
                    raise ScriptError(f"The template '{tag.name or tag.kind}' is never closed.", place=place)
            elif quote >= 0 and not first.text.lstrip().startswith("\\"):
                mark, at = _open_quote(join(parts))
                raise ScriptError(
                    f"The quote {mark} is never closed on this line; close it, end the line with \\ to go on, "
                    f"or write \\{mark} for the character itself.",
                    place=join(parts).place(at, 1),
                )
            else:
                pending = ""
                line = self._next() if self._option_follows() else None
            parts.append(gap)
        return Logical(join(parts).strip())


def _end(line: Line, offset: int) -> Origin:
    return Origin(line, max(0, offset - 1), max(1, offset))


def _open_quote(text: Located) -> tuple[str, int]:
    _, at = without_comment(text.text)
    return text.text[at], at


def _unclosed(name: str, offset: int, lines: list[Line]) -> ScriptError:
    for line in lines:
        if offset <= len(line.text):
            end = {"{{": "}}", "{%": "%}", "{#": "#}"}.get(name, f"{{% end{name} %}}")
            return ScriptError(
                f"The template '{name}' is never closed; end it with {end}.", place=line.place(offset, len(line.text))
            )
        offset -= len(line.text) + 1
    return ScriptError(f"The template '{name}' is never closed.", place=lines[0].place(0, len(lines[0].text)))
