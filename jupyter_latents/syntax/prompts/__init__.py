"""Prompts: "positive; negative", and A1111's grammar of weights and schedules inside them. Pure text."""

from __future__ import annotations

from .attention import WeightedText, attention
from .grammar import is_literal
from .halves import format_prompt, split_prompt
from .parts import PromptPart, prompt_parts
from .schedule import PromptRow, prompt_schedule

__all__ = [
    "PromptPart",
    "PromptRow",
    "WeightedText",
    "attention",
    "format_prompt",
    "is_literal",
    "prompt_parts",
    "prompt_schedule",
    "split_prompt",
]
