"""A positive prompt split at the word ``AND``: texts that steer together, each with its weight."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from .faults import LARGEST, fault

__all__ = ["PromptPart", "prompt_parts"]

_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"\s*([-+]?(?:\d+\.?|\d*\.\d+))")


class PromptPart(NamedTuple):
    """One text between ``AND``, and how strongly it steers: ``:0.7`` at its end, 1 without."""

    text: str
    weight: float


def prompt_parts(prompt: str) -> tuple[PromptPart, ...]:
    """The parts of a positive prompt, in A1111's grammar; a prompt without ``AND`` is one part.

    Args:
        prompt: The prompt.

    Raises:
        SettingError: A weight is too large.
    """
    parts, start = [], 0
    for text in _AND.split(prompt):
        parts.append(_part(prompt, text, start))
        start += len(text) + len("AND")
    return tuple(parts)


def _part(prompt: str, text: str, start: int) -> PromptPart:
    whole = text.rstrip()
    head, colon, tail = whole.rpartition(":")
    found = _WEIGHT.fullmatch(tail) if colon else None
    if found is None:
        return PromptPart(whole, 1.0)
    weight = float(found[1])
    if not math.isfinite(weight) or abs(weight) > LARGEST:
        at = start + len(head) + 1 + found.start(1)
        raise fault(prompt, at, len(found[1]), f"is no weight of a whole prompt; give at most {LARGEST:g}.")
    return PromptPart(head.rstrip(), weight)
