"""What options that multiply took for one stage, by the names that people call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from jupyter_latents.stage import Choice, Stage, Value

from .table import NESTING, OPTIONS

__all__ = ["CALLED", "choice_of"]

_OWN = {
    "image_seeds": "image",
    "inference_steps": "steps",
    "sigmas": "sigmas",
    "guidance_scales": "guidance",
}

CALLED: Mapping[str, str] = MappingProxyType(
    {dest: _OWN.get(dest, dest.removesuffix("s").replace("_", " ")) for dest in NESTING}
)
"""What people call each option that multiplies, by its `dest`: ``guidance``, ``negative prompt``."""

_WRITERS = {option.dest: option.write for option in OPTIONS}


def choice_of(stage: Stage, given: Mapping[str, Any], telling: Iterable[str]) -> Choice:
    """What options took for a stage: numbers as they are, all else as it is written.

    Args:
        stage: The stage.
        given: The value of each option, by its `dest`.
        telling: The options that tell it from others, the slowest first.
    """
    return tuple((CALLED[dest], _value(dest, given[dest], stage)) for dest in telling)


def _value(dest: str, value: Any, stage: Stage) -> Value:
    return value if isinstance(value, (str, int, float)) else _WRITERS[dest](value, stage)
