"""Plain values as the texts that options are read from."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, get_type_hints

from jupyter_latents.errors import SettingError
from jupyter_latents.stage import Scales, SigmaPoint, StageOptions, StepPoint

__all__ = ["texts_of"]

_HINTS = get_type_hints(StageOptions)
_LONGEST = 60


def texts_of(name: str, value: object) -> tuple[str, ...]:
    """What an option reads of a plain value; nothing of a switch that is off.

    Args:
        name: The option's name in Python.
        value: The value.

    Raises:
        SettingError: It is of another kind than the option takes.
    """
    hint = _HINTS[name]
    if hint is bool:
        return _switch(name, value)
    if name == "sigmas":
        return (",".join(_number(name, one) for one in _items(name, value)),)
    if isinstance(value, (list, tuple)) and "Sequence" in str(hint):
        return tuple(_text(name, one) for one in value)
    if name == "torch_dtype":
        return (str(value).removeprefix("torch."),)
    read = {int: _whole, float: _number, float | str: _number_or_text}.get(hint, _text)
    return (read(name, value),)


def _switch(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, bool):
        raise _fault(name, value, "True or False")
    return ("",) if value else ()


def _whole(name: str, value: object) -> str:
    if not isinstance(value, bool):
        with suppress(TypeError):
            return str(operator.index(value))  # type: ignore[arg-type]
    raise _fault(name, value, "a whole number")


def _number(name: str, value: object) -> str:
    if not isinstance(value, (bool, str, bytes)):
        with suppress(TypeError, ValueError):
            return repr(float(value))  # type: ignore[arg-type]
    raise _fault(name, value, "a number")


def _number_or_text(name: str, value: object) -> str:
    """A number, or a text that says more than one; a value of `stage` is written as its text."""
    if isinstance(value, (StepPoint, SigmaPoint, Scales)):
        return str(value)
    if not isinstance(value, str):
        return _number(name, value)
    with suppress(ValueError):
        float(value)
        raise _fault(name, value, "a number")
    return value


def _items(name: str, value: Any) -> Sequence[object]:
    found = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(found, (list, tuple)) and found:
        return found
    raise _fault(name, value, "a list of numbers")


def _text(name: str, value: object) -> str:
    found = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(found, str):
        return found
    raise _fault(name, value, "a text")


def _fault(name: str, value: object, wanted: str) -> SettingError:
    text = repr(value)
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return SettingError(f"{name} is {shown}, {_article(type(value).__name__)}; give {wanted}.")


def _article(word: str) -> str:
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"
