r"""From physical lines to logical ones: comments go, continuations are joined, template blocks are rendered in place.

A line goes on when it ends with ``\`` or when the next line, comments aside, starts with ``-``. After a ``\`` blank
lines and comments may stand between. A ``\`` joins what stands around it; a line that starts with ``-`` is always
parted from the one before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from jupyter_latents.errors import ScriptError

from .located import Line, Located, Origin, join
from .segments import open_tags
from .unfinished import Unfinished, bare, without_comment

__all__ = ["Block", "LineReader", "Logical", "nothing"]

_BLOCK = ("{{", "{%", "{#")
_DEPTH = 20
_PARTS = set("{}%#\\")  # what may be half of a template's braces, or of an escape


def nothing() -> None:
    """Goes on."""


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


class LineReader:
    """Reads logical lines and blocks from physical ones.

    Args:
        lines: The physical lines.
        render: Makes the lines of a block; None to hand the blocks out as they are.
        check: Called for each physical line; it raises to stop.
    """

    def __init__(
        self,
        lines: Iterator[Line],
        render: Callable[[list[Line]], Iterator[Line]] | None = None,
        check: Callable[[], None] = nothing,
    ) -> None:
        self._sources: list[Iterator[Line]] = [lines]
        self._ahead: deque[Line] = deque()
        self._render, self._check = render, check

    def _pull(self) -> Line | None:
        while self._sources:
            self._check()
            line = next(self._sources[-1], None)
            if line is not None:
                return line
            self._sources.pop()
        return None

    def _next(self) -> Line | None:
        return self._ahead.popleft() if self._ahead else self._pull()

    def _option_follows(self) -> bool:
        """Whether the next line that is no comment starts with ``-``; comments before it are then dropped."""
        comments = 0
        for line in self._ahead:
            if not line.text.strip().startswith("#"):
                return self._begins_with_dash(line, comments)
            comments += 1
        while (pulled := self._pull()) is not None:
            self._ahead.append(pulled)
            if not pulled.text.strip().startswith("#"):
                return self._begins_with_dash(pulled, comments)
            comments += 1
        return False

    def _begins_with_dash(self, line: Line, comments: int) -> bool:
        if not line.text.strip().startswith("-"):
            return False
        for _ in range(comments):
            self._ahead.popleft()
        return True

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
                self._ahead = deque()
            self._sources.append(self._render(list(block.lines)))

    def _block(self, first: Line) -> Block:
        lines = [first]
        text = Unfinished()
        text.add(first.text + "\n")
        ended = False
        while text.waiting:
            ended = lines[-1].text.rstrip().endswith("!END") if lines[-1].text.strip() else ended
            line = self._next()
            if line is None or ended:
                whole = open_tags("\n".join(line.text for line in lines))
                raise _unclosed(whole[-1].name or whole[-1].kind, whole[-1].start, lines)
            if line.text.lstrip().startswith("#") and not text.cut:
                line = Line(line.number, "#", line.original, line.depth)
            lines.append(line)
            text.add(line.text + "\n")
        last = lines[-1]
        if last.text.rstrip().endswith("!END"):
            lines[-1] = Line(last.number, last.text.rstrip().removesuffix("!END"), last.original, last.depth)
        return Block(tuple(lines))

    def _logical(self, first: Line) -> Logical:
        parts: list[Located] = []
        line: Line | None = first
        whole, open_before = Unfinished(), False
        while line is not None:
            text, escapes = (line.text, ()) if whole.waiting else bare(line.text)
            text, quote = whole.without_comment(text) if open_before else without_comment(text)
            text = text.rstrip()
            backslash = text.endswith("\\")
            text = text[:-1] if backslash else text
            joined = backslash and text[-1:] not in _PARTS and text == text.rstrip()
            text = text.rstrip()
            indent = len(text) - len(text.lstrip())
            parts += _pieces(line, indent, len(text), escapes)
            gap = Located.made(" ", _end(line, len(text)))
            whole.add(text[indent:] + " ")
            joined = joined and not whole.cut
            open_before = whole.waiting or (backslash and quote >= 0)
            if backslash:
                line = self._skip_to_content()
            elif whole.waiting:
                line = self._next()
                if line is None:
                    raise _cut_off(join(parts))
            elif quote >= 0 and not first.text.lstrip().startswith("\\"):
                raise _open_quote(join(parts))
            else:
                line = self._next() if self._option_follows() else None
            if not joined or (line is not None and line.text.lstrip().startswith("-")):
                parts.append(gap)
        return Logical(join(parts).strip())


def _pieces(line: Line, start: int, end: int, without: Iterable[int]) -> Iterator[Located]:
    """The characters of a line from `start` to `end`, those at some offsets left out."""
    for offset in without:
        yield Located.of(line, start, offset)
        start = offset + 1
    yield Located.of(line, start, end)


def _end(line: Line, offset: int) -> Origin:
    return Origin(line, max(0, offset - 1), max(1, offset))


def _cut_off(whole: Located) -> ScriptError:
    tag = open_tags(whole.text)[-1]
    place = whole.place(tag.start, tag.end - tag.start)
    return ScriptError(f"The template '{tag.name or tag.kind}' is never closed.", place=place)


def _open_quote(whole: Located) -> ScriptError:
    _, at = without_comment(whole.text)
    mark = whole.text[at]
    return ScriptError(
        f"The quote {mark} is never closed on this line; close it, end the line with \\ to go on, "
        f"or write \\{mark} for the character itself{_hash(whole)}.",
        place=whole.place(at, 1),
    )


def _hash(whole: Located) -> str:
    r"""What else may be meant where a comment cut the line off."""
    last = whole.origins[-1].line if whole.origins else None
    cut = last is not None and len(bare(last.text)[0]) < len(last.text)
    return ". A # behind it begins a comment; \\# is the character" if cut else ""


def _unclosed(name: str, offset: int, lines: list[Line]) -> ScriptError:
    for line in lines:
        if offset <= len(line.text):
            end = {"{{": "}}", "{%": "%}", "{#": "#}"}.get(name, f"{{% end{name} %}}")
            return ScriptError(
                f"The template '{name}' is never closed; end it with {end}.", place=line.place(offset, len(line.text))
            )
        offset -= len(line.text) + 1
    return ScriptError(f"The template '{name}' is never closed.", place=lines[0].place(0, len(lines[0].text)))
