"""A1111's prompt grammar: weights inside a text, texts by steps; and the table of prompt weighters. Pure text."""

from __future__ import annotations

from .attention import BREAK, WeightedText, attention
from .checks import check_prompt, remark
from .idle import IdlePart, idle_parts
from .parts import PromptPart, joined, prompt_parts
from .schedule import PromptRow, prompt_schedule
from .weighters import WEIGHTERS, Weighter, weighter_of

__all__ = [
    "BREAK",
    "WEIGHTERS",
    "IdlePart",
    "PromptPart",
    "PromptRow",
    "WeightedText",
    "Weighter",
    "attention",
    "check_prompt",
    "idle_parts",
    "joined",
    "prompt_parts",
    "prompt_schedule",
    "remark",
    "weighter_of",
]
