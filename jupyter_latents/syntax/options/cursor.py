"""What stands around the cursor of an unfinished script: which option, which word, which part of a seed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .option import Option
from .table import BY_NAME

__all__ = ["Spot", "spot"]

_WORD = re.compile(r"""(?:[^\s"']|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)+""")
_MAGIC = re.compile(r"^%%?dgen\b[^\n]*")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the cursor is.

    Attributes:
        word: What is typed of the word before the cursor, quotes included.
        start: Offset of that word in the cell.
        option: The option whose value is being typed.
        magic: Whether the cursor is on the magic's own line.
        first: Whether the word is the first of its line and no option goes on there: a model or a directive.
        previous: The option name before the cursor, known or not.
    """

    word: str
    start: int
    option: Option | None
    magic: bool
    first: bool
    previous: str = ""


def spot(cell: str, cursor: int) -> Spot:
    """Returns what stands at offset `cursor` of a cell, ``%%dgen`` line included when there is one."""
    text = cell[:cursor]
    magic = _MAGIC.match(text)
    begin = text.rfind("\n") + 1
    if magic and begin == 0:
        return _on_line(text, 0, 0, magic=True)
    block = _block_start(text, magic.end() + 1 if magic else 0)
    return _on_line(text, block, begin, magic=False)


def _block_start(text: str, least: int) -> int:
    """Offset of the invocation that the end of `text` belongs to."""
    start = max(text.rfind("\n\n") + 2 if "\n\n" in text else 0, least)
    lines = text[start:].split("\n")
    offset, found = start, start
    for index, line in enumerate(lines):
        ended = index == 0 or not lines[index - 1].rstrip().endswith("\\")
        if ended and not line.lstrip().startswith(("-", "#")) and line.strip():
            found = offset
        offset += len(line) + 1
    return found


def _on_line(text: str, start: int, line: int, *, magic: bool) -> Spot:
    words = [(match.start() + start, match[0]) for match in _WORD.finditer(text[start:])]
    current = (len(text), "")
    if words and words[-1][0] + len(words[-1][1]) == len(text):
        current = words.pop()
    previous = next((word for _, word in reversed(words) if re.match(r"--?[A-Za-z]", word)), "")
    taken = 0
    for _, word in reversed(words):
        if word == previous:
            break
        taken += 1
    option = BY_NAME.get(previous)
    if option is not None and (option.flag or (taken and not option.many)):
        option = None
    first = not magic and not text[line : current[0]].strip() and not current[1].startswith("-")
    fresh = first and not (words and text[:line].rstrip("\n").rstrip().endswith("\\"))
    return Spot(current[1], current[0], None if fresh else option, magic, fresh, previous)
