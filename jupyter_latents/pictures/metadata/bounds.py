"""Numbers, names and JSON out of foreign texts, each within bounds."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from jupyter_latents.errors import NameNotFoundError
from jupyter_latents.pictures.metadata.texts import MOST

__all__ = ["MOST_DEPTH", "json_of", "mapping", "real", "text", "whole"]

_LONGEST = 40  # letters of a number
MOST_DEPTH = 100
"""Objects and lists within each other."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_BRACKET = re.compile(r"[\[\]{}]")


def json_of(content: str, name: str) -> Any:
    """The value of a JSON text.

    Args:
        content: The text.
        name: What it is of.

    Raises:
        NameNotFoundError: It is none, too long, or too deep.
    """
    if len(content) > MOST:
        raise NameNotFoundError(f"{name}: {len(content)} characters of JSON; {MOST} are the most.", name=name)
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", content)):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > MOST_DEPTH:
            raise NameNotFoundError(
                f"{name}: JSON of more than {MOST_DEPTH} objects within each other is not read.", name=name
            )
    try:
        return json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise NameNotFoundError(f"{name} cannot be read: {str(error)[:200]}.", name=name) from error


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def mapping(value: Any) -> dict[str, Any]:
    """A value that is a mapping; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """A value that is a text, and numbers as texts; an empty one in place of anything else."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def whole(value: Any, least: int, most: int) -> int | None:
    """A whole number, or a text of one; None for anything else, and beyond the bounds."""
    if isinstance(value, int) and not isinstance(value, bool):
        found: int | None = value
    elif isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        found = int(value)
    else:
        number = real(value, least, most)
        found = int(number) if number is not None and number == int(number) else None
    return found if found is not None and least <= found <= most else None


def real(value: Any, least: float, most: float) -> float | None:
    """A number, or a text of one; None for anything else, and beyond the bounds."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and len(value) > _LONGEST:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and least <= found <= most else None
