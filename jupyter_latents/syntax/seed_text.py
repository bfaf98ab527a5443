"""The pieces of an image seed: parts between semicolons, items between commas, quotes around any of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from jupyter_latents.errors import Place, ScriptError
from jupyter_latents.stage import Reference

from .names import python_name
from .text.located import Line, Locator
from .text.quoting import string_end

__all__ = ["Piece", "format_reference", "items", "locator_of", "reference", "split"]

_CAPTURED = re.compile(r"__latents_\d+")  # names of objects, which `quote` puts in quotes where there are several
_VARIABLE = re.compile(r"[^\W\d]\w*(?:\[-?\d+\])*")
_URL = re.compile(r"https?://", re.IGNORECASE)
_BARE = re.compile(r"[^\s'\",;|+=]+")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_ESCAPED = re.compile(r"""\\([nrtbf\\"'$%])""")
_SPACE = re.compile(r"\s+")
_URL_COMMA = re.compile(r"[^\s'\";|]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a seed's text, and where it stands.

    Attributes:
        text: The part, without white space around it.
        start: Offset in the whole seed.
        locate: Where offsets of the seed stand in the script.
    """

    text: str
    start: int
    locate: Locator

    def fail(self, message: str, part: str | None = None) -> ScriptError:
        """An error at this piece, or at `part` of it."""
        offset = self.text.find(part) if part else 0
        return ScriptError(
            message, place=self.locate(self.start + max(0, offset), max(1, len(self.text if part is None else part)))
        )

    def cut(self, start: int, end: int | None = None) -> Piece:
        """The part from `start` to `end`, stripped."""
        text = self.text[start:end]
        return Piece(text.strip(), self.start + start + len(text) - len(text.lstrip()), self.locate)


def locator_of(text: str, place: Place | Locator | None) -> Locator:
    """Returns where offsets of `text` stand, given where the whole of it does."""
    if callable(place):
        return place
    if place is None:
        return lambda start, length: Line(1, text, text).place(start, start + length)
    found = place.text.find(text, place.column - 1) if text else -1
    if found < 0:
        return lambda _start, _length: place
    return lambda start, length: Place(place.line, found + start + 1, place.text, max(1, length))


def _ends(text: str, marks: str) -> Iterator[tuple[int, int]]:
    """Start and end of the parts of `text` between `marks`, outside quotes; a mark inside an address is kept."""
    start = position = 0
    fresh, address = True, False  # nothing but white space yet; a bare address goes on here
    lost: set[str] = set()  # quote marks that no such mark follows
    while position < len(text):
        character = text[position]
        if character in "\"'" and (fresh or text[position - 1] in "=:,|+ \t"):
            end = -1 if character in lost else string_end(text, position)
            lost |= {character} if end < 0 else set()
            position = end if end > 0 else position + 1
            fresh = address = False
        elif character in marks and not (address and character in ",+" and _goes_on(text, position + 1)):
            yield start, position
            start = position = position + 1
            fresh, address = True, False
        else:
            address = (address or bool(_URL.match(text, position))) and not (character.isspace() or character in "\"'")
            fresh = fresh and character.isspace()
            position += 1
    yield start, len(text)


def _goes_on(text: str, position: int) -> bool:
    """Whether a bare address goes on after a comma or plus: without white space, and no other begins."""
    return bool(_URL_COMMA.match(text, position)) and not _URL.match(text, position)


def split(piece: Piece, marks: str) -> list[Piece]:
    """Splits a piece at `marks`; quoted parts and bare addresses stay whole."""
    return [piece.cut(start, end) for start, end in _ends(piece.text, marks)]


def items(piece: Piece) -> list[Piece]:
    """Splits a piece at commas, and between quoted parts that stand side by side."""
    found: list[Piece] = []
    for part in split(piece, ","):
        text, start = part.text, 0
        while text[start : start + 1] in {'"', "'"} and 0 < (end := string_end(text, start)) < len(text):
            following = _SPACE.match(text, end)
            if following is None or text[following.end() : following.end() + 1] not in {'"', "'"}:
                break
            found.append(part.cut(start, end))
            start = following.end()
        found.append(part.cut(start))
    return found


def reference(piece: Piece) -> Reference:
    """Reads one item: a variable, a path or an address.

    Raises:
        ScriptError: It is empty, or its quotes do not match.
    """
    text = piece.text
    if not text:
        raise piece.fail(
            "An image seed names nothing here; give a variable or a path, and quote a seed that holds a space."
        )
    quoted = text[0] in "\"'"
    if quoted and string_end(text, 0) != len(text):
        raise piece.fail(f"The quotes of {text} do not match; quote the whole part.")
    content = _content(text) if quoted else text
    if not content.strip():
        raise piece.fail(
            "An image seed names nothing here; give a variable or a path, and quote a seed that holds a space."
        )
    if _URL.match(content):
        return Reference(content, "url")
    name = content if quoted else python_name(content)
    if (not quoted and _VARIABLE.fullmatch(name)) or _CAPTURED.fullmatch(content):
        return Reference(name, "variable")
    return Reference(content, "path")


def _content(quoted: str) -> str:
    r"""What stands in quotes: ``\\`` is one backslash, ``\n`` a line's end, as dgenerate reads image seeds."""
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), quoted[1:-1])


def format_reference(reference: Reference) -> str:
    """Returns the item so that it reads back as the same reference."""
    text = reference.text
    if reference.kind == "variable":
        return text
    if reference.kind == "path" and _BARE.fullmatch(text) and not _VARIABLE.fullmatch(text) and ":" not in text:
        return text
    escaped = re.sub(r"""[\\"'$%]""", r"\\\g<0>", text)
    return f'"{escaped}"'
