"""What a stage refuses in a prompt that A1111 paints in silence, and what it says of one that is read otherwise."""

from __future__ import annotations

import re

from .faults import fault
from .grammar import is_literal
from .parts import prompt_parts
from .weighters import Weighter

__all__ = ["check_prompt", "remark"]

_MARK = re.compile(r"\\.|[()\[\]]", re.DOTALL)
_AND = re.compile(r"\bAND\b")
_PAIRS = {")": "(", "]": "["}
_CLOSING = {"(": ")", "[": "]"}


def check_prompt(prompt: str, weighter: Weighter, *, positive: bool) -> None:
    """Sees that all brackets close, and that a prompt asks for nothing that does not run here.

    Args:
        prompt: The prompt.
        weighter: What reads it.
        positive: Whether it is painted, and not kept out: only there the word ``AND`` has a meaning.

    Raises:
        SettingError: A bracket does not close or was never opened, or texts are joined by ``AND``.
    """
    if weighter.syntax == "compel":
        return
    _check_brackets(prompt)
    if not weighter.schedules or not positive:
        return
    found = _AND.search(prompt)
    if found is not None:
        raise fault(
            prompt,
            found.start(),
            3,
            "joins texts that steer together, which does not run here; join them by a comma, or write it in small "
            "letters.",
        )
    (part,) = prompt_parts(prompt)
    if part.weight != 1.0:
        start = prompt.rindex(":")
        raise fault(
            prompt,
            start,
            len(prompt.rstrip()) - start,
            "is a weight of the whole prompt, which does not run here; change the guidance scale, or put a comma "
            "behind the number where it is text.",
        )


def _check_brackets(prompt: str) -> None:
    opened: list[tuple[str, int]] = []
    for token in _MARK.finditer(prompt):
        mark, start = token[0], token.start()
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
