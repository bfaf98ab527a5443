"""Checks of what callers give to operations: anything may come, and each refusal says what is allowed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from jupyter_latents.errors import LatentsFileError, SettingError

__all__ = [
    "bounded",
    "choice",
    "file_path",
    "flag",
    "number",
    "numbers",
    "seed_number",
    "settle",
    "shown",
    "text",
    "texts",
    "whole",
]

_LONGEST = 60  # characters of a value that a message repeats
_SEEDS = (-(2**63), 2**64 - 1)  # what torch.Generator.manual_seed takes


def shown(value: object) -> str:
    """A value as messages repeat it: itself where it is short, else what it is."""
    if isinstance(value, Iterable) and hasattr(value, "shape"):
        return f"a {type(value).__name__} of shape {tuple(value.shape)}"
    text = str(value) if isinstance(value, Real) else repr(value)
    return text if len(text) <= _LONGEST and " object at 0x" not in text else f"a {type(value).__name__}"


def _plain(value: object) -> object:
    """The number in an array or tensor without dimensions; anything else as it is."""
    scalar: Any = value
    return scalar.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _of_kind(kind: type, value: object, name: str, wanted: str) -> Any:
    """The number in `value`, where it is one of that kind; True and False are none."""
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, kind):
        raise SettingError(f"{name} is {shown(value)}; {wanted}")
    return plain


def number(value: object, name: str, wanted: str) -> float:
    """A value as a number; infinities and NaN are numbers here.

    Args:
        value: What was given: a number, or an array or tensor that holds one.
        name: The argument's name.
        wanted: The rest of the message: what it is.

    Raises:
        SettingError: It is something else.
    """
    return float(_of_kind(Real, value, name, wanted))


def whole(value: object, name: str, wanted: str) -> int:
    """A value as a whole number.

    Args:
        value: What was given.
        name: The argument's name.
        wanted: The rest of the message: what it is.

    Raises:
        SettingError: It is something else.
    """
    return int(_of_kind(Integral, value, name, wanted))


def bounded(value: object, name: str, least: int, most: int) -> int:
    """A whole number between two bounds, which belong to it.

    Args:
        value: What was given.
        name: What it is, for the message.
        least: The lower bound.
        most: The upper bound.

    Raises:
        SettingError: It is something else.
    """
    wanted = f"it is a whole number from {least} to {most}."
    found = whole(value, name, wanted)
    if not least <= found <= most:
        raise SettingError(f"{name} is {shown(found)}; {wanted}")
    return found


def text(value: object, name: str) -> str:
    """A text.

    Raises:
        SettingError: It is something else.
    """
    if not isinstance(value, str):
        raise SettingError(f"{name} is {shown(value)}; it is a text.")
    return value


def settle(fact: object, **values: object) -> None:
    """Puts checked values into a frozen fact, in its `__post_init__`."""
    for name, value in values.items():
        object.__setattr__(fact, name, value)


def texts(fact: object, what: str, *names: str) -> None:
    """Raises unless the named fields of a fact are texts.

    Raises:
        SettingError: One is something else.
    """
    for name in names:
        text(getattr(fact, name), f"the {name} of {what}")


def numbers(values: object, count: int) -> tuple[float, ...] | None:
    """So many finite numbers as a tuple, whole ones as integers; None where it is anything else."""
    if not isinstance(values, Iterable) or isinstance(values, str | bytes) or getattr(values, "ndim", 1) != 1:
        return None
    found = [_plain(value) for value in values]
    if len(found) != count or any(isinstance(value, bool) or not isinstance(value, Real) for value in found):
        return None
    plain = tuple(int(value) if isinstance(value, Integral) else float(value) for value in found)  # type: ignore[arg-type]
    return plain if all(abs(value) <= 2**31 for value in plain) else None


def seed_number(value: object) -> int:
    """A seed.

    Raises:
        SettingError: It is no whole number, or none that torch takes.
    """
    wanted = "it is a whole number, or None for one that follows from the latents."
    seed = whole(value, "seed", wanted)
    if not _SEEDS[0] <= seed <= _SEEDS[1]:
        raise SettingError(f"seed is {shown(seed)}; it lies between {_SEEDS[0]} and {_SEEDS[1]}.")
    return seed


def choice(value: object, name: str, allowed: Iterable[str]) -> None:
    """Raises unless `value` is one of the names allowed.

    Raises:
        SettingError: It is none of them.
    """
    names = tuple(allowed)
    if not isinstance(value, str) or value not in names:
        raise SettingError(f"{name} is {shown(value)}; allowed are {', '.join(names)}.")


def flag(value: object, name: str) -> bool:
    """True or False.

    Raises:
        SettingError: It is something else.
    """
    plain = _plain(value)
    if not isinstance(plain, bool):
        raise SettingError(f"{name} is {shown(value)}; it is True or False.")
    return plain


def file_path(path: object) -> Path:
    """A path, with ``~`` resolved.

    Raises:
        LatentsFileError: It is no text and no path.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise LatentsFileError(f"{shown(path)} is no path; give a file's name as text or a Path.")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # ~somebody who is not there
        raise LatentsFileError(f"{path}: {error} Give the folder's full name.") from error
