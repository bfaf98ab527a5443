"""A positive prompt split at the word ``AND``: texts that steer together, each with its weight."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from .faults import LARGEST, fault

__all__ = ["PromptPart", "joined", "prompt_parts", "texts_between"]

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
    return tuple(_part(prompt, text, start) for text, start in texts_between(prompt))


def texts_between(prompt: str) -> Iterator[tuple[str, int]]:
    """The texts between ``AND`` as they are written, each with its offset in the prompt.

    Args:
        prompt: The prompt.
    """
    start = 0
    for text in _AND.split(prompt):
        yield text, start
        start += len(text) + len("AND")


def joined(parts: Iterable[PromptPart]) -> str:
    """The prompt that reads back as these parts, but for spaces at their ends.

    Args:
        parts: The parts; none of their texts holds ``AND``.
    """
    return " AND ".join(map(_written, parts))


def _written(part: PromptPart) -> str:
    text = part.text.strip()
    if part.weight == 1.0 and _part(text, text, 0) == PromptPart(text, 1.0):
        return text
    return f"{text} :{format(Decimal(repr(part.weight)), 'f')}"


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
