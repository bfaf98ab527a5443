r"""Prompts are "positive; negative"; a semicolon inside quotes, or written ``\;``, belongs to the text."""

from __future__ import annotations

import re

from jupyter_latents.stage import Prompt

__all__ = ["format_prompt", "split_prompt"]

_MARKS = re.compile(r"""\\;|[;"']""")
_OPENS = re.compile(r"""(?<![^ \t\n(\[{:,;])(["'])""")
_ENDS = {mark: re.compile(rf"{mark}(?=[ \t\n)\]}}:,;.!?]|\Z)") for mark in "'\""}


def _quoted_end(text: str, start: int, lost: set[str]) -> int:
    """The offset after the quoted part that opens at `start`; -1 for an apostrophe or a lone quote."""
    mark = text[start]
    if mark in lost or not _OPENS.match(text, start):
        return -1
    end = _ENDS[mark].search(text, start + 1)
    if end is None:
        lost.add(mark)
        return -1
    return end.end()


def split_prompt(text: str) -> tuple[str, str | None]:
    """Splits "positive; negative"; the negative is None where there is no semicolon.

    Everything after the first semicolon is negative.
    """
    position = 0
    lost: set[str] = set()  # quote marks that end no quoted part any more
    while found := _MARKS.search(text, position):
        position = found.end()
        if found[0] == ";":
            return _plain(text[: found.start()]), _plain(text[found.end() :])
        if found[0] in "\"'":
            position = max(position, _quoted_end(text, found.start(), lost))
    return _plain(text), None


def _plain(text: str) -> str:
    return text.replace("\\;", ";").strip()


def format_prompt(prompt: Prompt) -> str:
    """Returns the prompt as "positive; negative", so that it reads back the same."""
    positive = prompt.positive.replace(";", "\\;")
    return f"{positive}; {prompt.negative}" if prompt.negative else positive
