"""What a plan shows in place of values that it does not tell: the environment's, and seeds that a run draws."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import count
from types import MappingProxyType
from typing import Any

from jupyter_latents.syntax import Environment
from jupyter_latents.syntax.templates.promises import veiled_names

__all__ = ["hiding", "is_undrawn", "shown", "undrawn", "without_numbers"]

_FIRST = 2**64
"""No seed of a run is so large."""
_UNDRAWN = re.compile(r"\b1844674407370955\d{4}\b")
_SHORT = 4


def undrawn() -> Callable[[], int]:
    """Makes numbers that stand for seeds which a run draws; a plan draws none."""
    return count(_FIRST).__next__


def is_undrawn(seed: int | None) -> bool:
    """Whether a seed stands for one that a run draws."""
    return seed is not None and seed >= _FIRST


def without_numbers(text: str) -> str:
    """A text that says of such seeds that they are drawn at the run."""
    return _UNDRAWN.sub("(drawn at the run)", text)


def shown(value: Any, text: Callable[[str], str]) -> Any:
    """A value of `jupyter_latents.stage` with each text in it as people are to see it.

    Args:
        value: The value.
        text: Makes a text one to show.
    """
    if isinstance(value, str):
        return text(value)
    if isinstance(value, tuple):
        return tuple(shown(item, text) for item in value)
    if isinstance(value, Mapping):
        return MappingProxyType({key: shown(item, text) for key, item in value.items()})
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: shown(getattr(value, field.name), text) for field in fields(value)})
    return value


def hiding(veiled: Any, environment: Environment) -> Callable[[str], str]:
    """What puts ``$NAME`` in place of the environment's values, in texts about something that was asked for.

    Args:
        veiled: What was asked for, with its values veiled.
        environment: Knows the values.
    """
    words = list(dict.fromkeys(_texts(veiled)))
    if not words:
        return str
    pairs = {environment.unveiled(word): environment.shown(word) for word in words}
    for name in {name for word in words for name in veiled_names(word)}:
        pairs.setdefault(environment.environ.get(name, ""), f"${name}")
    return _Replacing(tuple(sorted(pairs.items(), key=lambda pair: -len(pair[0]))))


@dataclass(frozen=True, slots=True)
class _Replacing:
    """Puts one text in place of another; short ones only where they are words."""

    pairs: tuple[tuple[str, str], ...]

    def __call__(self, text: str) -> str:
        for real, instead in self.pairs:
            if len(real) >= _SHORT:
                text = text.replace(real, instead)
            elif real:
                text = re.sub(rf"(?<!\w){re.escape(real)}(?!\w)", instead.replace("\\", r"\\"), text)
        return text


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value that hold veiled values."""
    found: list[str] = []

    def take(text: str) -> str:
        if veiled_names(text):
            found.append(text)
        return text

    shown(value, take)
    return iter(found)
