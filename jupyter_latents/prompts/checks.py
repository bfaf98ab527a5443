"""What a stage refuses in a prompt that A1111 paints in silence, and what it says of one that is read otherwise."""

from __future__ import annotations

import re

from .faults import LARGEST, fault
from .grammar import is_literal
from .parts import PromptPart, prompt_parts, texts_between
from .weighters import Weighter

__all__ = ["check_prompt", "remark"]

_MARK = re.compile(r"\\.|[()\[\]]", re.DOTALL)
_WORD = "AND"
_NO_WEIGHT = re.compile(r":\s*([-+]?(?:[.\d]+(?:e[-+]?\d+)?|inf|infinity|nan))$", re.IGNORECASE)
_PAIRS = {")": "(", "]": "["}
_CLOSING = {"(": ")", "[": "]"}


def check_prompt(prompt: str, weighter: Weighter, *, positive: bool, first: bool = True) -> None:
    """Sees that all brackets close, and that what ``AND`` joins are texts with weights.

    Args:
        prompt: The prompt.
        weighter: What reads it.
        positive: Whether it is painted, and not kept out: only there the word ``AND`` has a meaning.
        first: Whether it is the first of those, which ``AND`` splits; the others go with each of its parts.

    Raises:
        SettingError: A bracket does not close or was never opened, or ``AND`` joins what is no text or has no weight.
    """
    if weighter.syntax == "compel":
        return
    texts = list(texts_between(prompt)) if weighter.joins and positive else [(prompt, 0)]
    if len(texts) > 1 and not first:
        what = "joins texts that steer together in the first prompt alone; join these by a comma."
        raise fault(prompt, len(texts[0][0]), len(_WORD), what)
    for text, start in texts:
        _check_brackets(prompt, text, start)
    if not (weighter.joins and positive and first):
        return
    parts = prompt_parts(prompt)
    for part, (text, start) in zip(parts, texts, strict=True) if len(parts) > 1 else ():
        _check_part(prompt, part, text, start)
    if len(parts) == 1 and parts[0].weight != 1.0:
        start = prompt.rindex(":")
        raise fault(
            prompt,
            start,
            len(prompt.rstrip()) - start,
            "is a weight of the whole prompt, which AND alone reads; change the guidance scale, or put a comma behind "
            "the number where it is text.",
        )


def _check_part(prompt: str, part: PromptPart, text: str, start: int) -> None:
    """Sees that a text between ``AND`` is none that is empty, nor ends in a weight that is none."""
    if not part.text.strip():
        at = start or len(text)
        raise fault(prompt, max(0, at - len(_WORD)) if start else at, len(_WORD), "needs a text on both of its sides.")
    found = _NO_WEIGHT.search(text.rstrip())
    if found is not None and part.text == text.rstrip():
        raise fault(
            prompt,
            start + found.start(1),
            len(found[1]),
            f"is no weight; give a number such as 1.3, at most {LARGEST:g}, or put a comma behind it where it is text.",
        )


def _check_brackets(prompt: str, text: str, offset: int) -> None:
    """Sees that all brackets of a text that stands in a prompt close."""
    opened: list[tuple[str, int]] = []
    for token in _MARK.finditer(text):
        mark, start = token[0], offset + token.start()
        if mark in _CLOSING:
            opened.append((mark, start))
        elif mark in _PAIRS:
            if not opened or opened[-1][0] != _PAIRS[mark]:
                raise fault(prompt, start, 1, f"closes no bracket; take it away, or write \\{mark} for a letter.")
            opened.pop()
    if opened:
        mark, start = opened[-1]
        raise fault(prompt, start, 1, f"is never closed; add {_CLOSING[mark]}, or write \\{mark} for a letter.")


def remark(prompt: str, weighter: Weighter) -> str:
    """What is to be told of a prompt that is read otherwise than it seems; empty where nothing is.

    Args:
        prompt: The prompt.
        weighter: What reads it.

    Raises:
        SettingError: Too many brackets are open at once.
    """
    if not weighter.schedules or not is_literal(prompt):
        return ""
    return (
        "no schedule is read in the prompt: a | in it takes no turns in square brackets, or a backslash stands before "
        "nothing; write \\| or \\\\ for letters"
    )
