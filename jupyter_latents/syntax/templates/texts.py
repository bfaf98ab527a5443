"""What templates write for a value."""

from __future__ import annotations

import numbers
import os
import re
from collections.abc import Mapping
from typing import Any

from jupyter_latents.stage import Prompt
from jupyter_latents.syntax.prompts import format_prompt
from jupyter_latents.wording import kind_of

from .marks import cut
from .promises import real
from .veiled import Veiled

__all__ = ["for_people", "for_scripts", "has_text"]

_BRIEF = 200
_ADDRESS = re.compile(r" at 0x[0-9a-f]{8,16}(?=>|&gt;)", re.IGNORECASE)
"""Where in memory an object stands, in the text that Python gives it: another one in every kernel."""


def for_people(value: Any, captured: Mapping[str, object]) -> object:
    """What a person reads of a value: plain data as Python writes it, anything else in a few words.

    Args:
        value: The value.
        captured: Objects by the names that stand for them.
    """
    if isinstance(value, str):
        return _Said(_brief(captured[value])) if value in captured else _ADDRESS.sub("", value)
    if isinstance(value, Veiled):
        return value
    if type(value) in (list, tuple):
        return [for_people(real(item), captured) for item in value]
    if type(value) is dict:
        return {key: for_people(real(item), captured) for key, item in value.items()}
    return for_scripts(value) if has_text(value) else _Said(_brief(value))


class _Said(str):
    """A text that is written without quotes inside a list."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _brief(value: object) -> str:
    text = _ADDRESS.sub("", repr(value).partition("\n")[0]) or kind_of(value)
    return text if len(text) <= _BRIEF else cut(text, _BRIEF - 1) + "…"


def has_text(value: object) -> bool:
    """Whether a value has a text of its own, which can stand in a script."""
    if value is None or isinstance(value, (str, Veiled, numbers.Number, Prompt, os.PathLike)):
        return True
    if type(value) is dict:
        return all(has_text(item) for pair in value.items() for item in pair)
    return isinstance(value, (list, tuple, range)) and all(map(has_text, value))


def for_scripts(value: Any) -> object:
    """What has the text of a value that `has_text`, as scripts write it."""
    if isinstance(value, Prompt):
        return format_prompt(value)
    if type(value) is str:
        return _ADDRESS.sub("", value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple, range)):
        return [for_scripts(item) for item in value]
    return value
