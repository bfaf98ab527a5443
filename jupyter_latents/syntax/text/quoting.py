r"""Quotes and escapes, read as dgenerate's pseudo shell reads them.

A word that is one quoted string loses its quotes. A word in which quoted strings are mixed with bare text, such as
``photo.png;mask="a b.png"``, keeps them: the grammar of the value reads them. A backslash escapes ``"``, ``'``, ``$``
and ``%``; elsewhere it stays, so that paths and prompts need no doubling. Before one of those four, two backslashes
stand for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jupyter_latents.errors import Place, ScriptError

from .located import Line, Located, Origin, join

__all__ = ["Word", "bare_end", "escape", "quote", "read_words", "string_end", "string_rest", "unescape", "unquote"]

_SPECIAL = re.compile(r"""(?<!\\)(\\*)(["'$%])""")
_PLAIN = re.compile(r"[\w@+=:,./~^-]+")
_MARKS = {mark: re.compile(rf"[{mark}\\]") for mark in "'\""}


def _after_escape(text: str, position: int) -> int:
    """The offset after the backslashes at `position` and the character that they escape."""
    run = position
    while run < len(text) and text[run] == "\\":
        run += 1
    odd = (run - position) % 2 == 1
    return run + 1 if odd and text[run : run + 1] in {'"', "'", "$", "%"} else run


def string_end(text: str, start: int) -> int:
    """Returns the offset after the string that opens at `start`, or -1 when it is never closed."""
    return string_rest(text, start + 1, text[start])


def string_rest(text: str, start: int, mark: str) -> int:
    """Returns the offset after the string that is open at `start`, or -1 when it is never closed."""
    wanted = _MARKS[mark]
    position = start
    while found := wanted.search(text, position):
        if found[0] == mark:
            return found.end()
        position = _after_escape(text, found.start())
    return -1


def _kept(text: str) -> Iterator[int]:
    """The offsets of the characters of `text` that stay when its escapes are resolved."""
    position = 0
    while position < len(text):
        if text[position] != "\\":
            yield position
            position += 1
            continue
        run = position
        while run < len(text) and text[run] == "\\":
            run += 1
        special = run == len(text) or text[run] in "\"'$%"
        count = (run - position) // 2 if special else run - position
        if run == len(text) and (run - position) % 2:
            count += 1  # a lone backslash at the end escapes nothing
        yield from range(run - count, run)
        position = run


def unescape(text: Located) -> Located:
    """Returns the inside of a string with its escapes resolved."""
    kept = list(_kept(text.text))
    return Located("".join(text.text[i] for i in kept), tuple(text.origins[i] for i in kept))


def escape(text: str) -> str:
    """Returns `text` so that it reads back unchanged inside a quoted string of either kind."""
    escaped = _SPECIAL.sub(lambda match: match[1] * 2 + "\\" + match[2], text)
    tail = len(escaped) - len(escaped.rstrip("\\"))
    return escaped + "\\" * tail


def unquote(text: str) -> str:
    """Returns the content of a quoted string; other text comes back as it is."""
    if len(text) > 1 and text[0] in "\"'" and string_end(text, 0) == len(text):
        inner = text[1:-1]
        return "".join(inner[i] for i in _kept(inner))
    return text


def quote(value: object) -> str:
    """Returns one word, or several words for a list, quoted where needed.

    Several words are always quoted, so that an image seed can tell them apart.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        text = str(value)
        return text if _PLAIN.fullmatch(text) else f"'{escape(text)}'"
    words = [str(word) for word in value]
    if len(words) == 1:
        return quote(words[0])
    return " ".join(f"'{escape(word)}'" for word in words)


def bare_end(text: str, start: int) -> int:
    """Returns the offset of the next quote or white space that no backslash escapes, or the end."""
    position = start
    while position < len(text) and text[position] not in "\"'" and not text[position].isspace():
        position = _after_escape(text, position) if text[position] == "\\" else position + 1
    return position


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a logical line.

    Attributes:
        value: The word without its quotes and escapes.
        written: The word as written.
        quoted: Whether it was one quoted string.
    """

    value: Located
    written: Located
    quoted: bool = False

    @property
    def text(self) -> str:
        """The word's text."""
        return self.value.text

    @property
    def place(self) -> Place | None:
        """Where the whole word stands."""
        return self.written.place()

    def locate(self, start: int, length: int) -> Place | None:
        """Where `length` characters of the value, from `start`, stand."""
        return self.value.place(start, length) or self.place


def read_words(text: Located) -> list[Word]:
    """Splits a logical line into words.

    Raises:
        ScriptError: A quote is never closed.
    """
    words: list[Word] = []
    position = 0
    while position < len(text):
        if text.text[position].isspace():
            position += 1
            continue
        end = _word_end(text, position)
        words.append(_word(text[position:end]))
        position = end
    return words


def _word_end(text: Located, start: int) -> int:
    position = start
    while position < len(text) and not text.text[position].isspace():
        if text.text[position] not in "\"'":
            position = bare_end(text.text, position)
            continue
        end = string_end(text.text, position)
        if end < 0:
            mark = text.text[position]
            raise ScriptError(
                f"The quote {mark} is never closed; close it, or write \\{mark} for the character itself.",
                place=text.place(position, 1),
            )
        position = end
    return position


def _word(written: Located) -> Word:
    text = written.text
    if text[0] in "\"'" and string_end(text, 0) == len(text):
        return Word(unescape(written[1:-1]), written, quoted=True)
    pieces: list[Located] = []
    position = 0
    while position < len(text):
        string = text[position] in "\"'"
        end = string_end(text, position) if string else bare_end(text, position)
        pieces.append(written[position:end] if string else unescape(written[position:end]))
        position = end
    return Word(join(pieces), written)


def rendered(text: str, near: Word, *, quoted: bool = False) -> Word:
    """A word that was not written.

    Args:
        text: The word.
        near: What stands where it is said to stand.
        quoted: Whether it counts as quoted.
    """
    origin = near.written.origin(0, len(near.written)) or Origin(Line(1, text, text), 0, len(text))
    made = Located.made(text, origin)
    return Word(made, made, quoted)
