r"""Prompts are "positive; negative"; a semicolon inside quotes, or written ``\;``, belongs to the text."""

from __future__ import annotations

from jupyter_latents.stage import Prompt

__all__ = ["format_prompt", "split_prompt"]

_BEFORE = " \t\n([{:,;"
_AFTER = " \t\n)]}:,;.!?"


def _quoted_end(text: str, start: int) -> int:
    """The offset after the quoted part that opens at `start`; -1 for an apostrophe or a lone quote."""
    if start and text[start - 1] not in _BEFORE:
        return -1
    end = text.find(text[start], start + 1)
    while end > 0:
        if end + 1 == len(text) or text[end + 1] in _AFTER:
            return end + 1
        end = text.find(text[start], end + 1)
    return -1


def split_prompt(text: str) -> tuple[str, str | None]:
    """Splits "positive; negative"; the negative is None where there is no semicolon.

    Everything after the first semicolon is negative.
    """
    position, positive = 0, ""
    while position < len(text):
        if text.startswith("\\;", position):
            positive, position = positive + ";", position + 2
            continue
        if text[position] == ";":
            return positive.strip(), text[position + 1 :].replace("\\;", ";").strip()
        end = _quoted_end(text, position) if text[position] in "\"'" else -1
        stop = end if end > 0 else position + 1
        positive, position = positive + text[position:stop].replace("\\;", ";"), stop
    return positive.strip(), None


def format_prompt(prompt: Prompt) -> str:
    """Returns the prompt as "positive; negative", so that it reads back the same."""
    positive = prompt.positive.replace(";", "\\;")
    return f"{positive}; {prompt.negative}" if prompt.negative else positive
