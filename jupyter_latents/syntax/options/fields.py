"""Fields of a stage by their path, such as ``seed``, ``model.dtype`` or ``window.start``, with their defaults.

The defaults stand in the dataclasses of `jupyter_latents.stage` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from typing import Any, get_type_hints

from jupyter_latents.stage import Stage

__all__ = ["PATHS", "default", "value_at", "with_values"]


def _paths(kind: type) -> dict[str, Field[Any]]:
    """The fields of a dataclass by their path; the fields of a part stand for it."""
    hints = get_type_hints(kind)
    found: dict[str, Field[Any]] = {}
    for row in fields(kind):
        if is_dataclass(part := hints[row.name]) and isinstance(part, type):
            found |= {f"{row.name}.{path}": inner for path, inner in _paths(part).items()}
        else:
            found[row.name] = row
    return found


_FIELDS = _paths(Stage)

PATHS = tuple(_FIELDS)
"""The paths of all fields."""


def default(path: str) -> Any:
    """The value of a field where no option fills it.

    Args:
        path: The field, such as ``num_inference_steps`` or ``model.dtype``.

    Raises:
        KeyError: A stage has no such field, or the field has no default.
    """
    row = _FIELDS[path]
    if row.default is MISSING:
        raise KeyError(path)
    return row.default


def value_at(stage: Stage, path: str) -> Any:
    """The value of a field.

    Args:
        stage: The stage.
        path: The field.
    """
    value: Any = stage
    for name in path.split("."):
        value = getattr(value, name)
    return value


def with_values(stage: Stage, values: Mapping[str, Any]) -> Stage:
    """The stage with other values; parts without a new value are shared.

    Args:
        stage: The stage.
        values: The new value by the path of its field.
    """
    own: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        part, _, name = path.rpartition(".")
        (parts.setdefault(part, {}) if part else own)[name] = value
    changed = {part: replace(getattr(stage, part), **inner) for part, inner in parts.items()}
    return replace(stage, **own, **changed)
