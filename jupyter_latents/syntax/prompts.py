r"""Prompts are "positive; negative"; a semicolon inside quotes, or written ``\;``, belongs to the text.

At its head a prompt may name what reads weights in it, ``<weighter: a1111>``.
"""

from __future__ import annotations

import re

from jupyter_latents.stage import Prompt

__all__ = ["escape_prompt", "format_prompt", "split_prompt", "split_weighter"]

_WEIGHTER = re.compile(r"\s*<\s*weighter\s*:([^<>]*)>\s*", re.IGNORECASE)
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
    tag = _WEIGHTER.match(text)
    position = tag.end() if tag else 0
    lost: set[str] = set()  # quote marks that end no quoted part any more
    while found := _MARKS.search(text, position):
        position = found.end()
        if found[0] == ";":
            return _plain(text[: found.start()]), _plain(text[found.end() :])
        if found[0] in "\"'":
            position = max(position, _quoted_end(text, found.start(), lost))
    return _plain(text), None


def split_weighter(text: str) -> tuple[str, str]:
    """Splits ``<weighter: NAME>`` from the head of a prompt.

    Args:
        text: The prompt.

    Returns:
        The name with its settings, empty without a tag, and the rest.
    """
    tag = _WEIGHTER.match(text)
    return (tag[1].strip(), text[tag.end() :]) if tag else ("", text)


def escape_prompt(text: str) -> str:
    """A text as a positive prompt that is read back as it is."""
    return text.replace(";", "\\;")


def _plain(text: str) -> str:
    return text.replace("\\;", ";").strip()


def format_prompt(prompt: Prompt) -> str:
    """Returns the prompt as "positive; negative", so that it reads back the same."""
    positive = escape_prompt(prompt.positive)
    return f"{positive}; {prompt.negative}" if prompt.negative else positive
