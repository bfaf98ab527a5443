"""Stages that one invocation makes, back to that invocation: its options with several values."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from jupyter_latents.stage import Stage

from .compose import Rows, literal, rows_of
from .options.fields import value_at
from .options.table import NESTING, OPTIONS

__all__ = ["rows_of_sweep"]

_FIELDS = {option.dest: option for option in OPTIONS if option.dest in NESTING and option.field}


def rows_of_sweep(stages: Sequence[Stage]) -> Rows | None:
    """The words of the one invocation that makes these stages in this order; None where none does.

    Args:
        stages: One or more stages.
    """
    rows = [rows_of(stage) for stage in stages]
    names = dict.fromkeys(name for row in rows for name in row)
    several = sorted(
        (name for name in names if len({row.get(name) for row in rows}) > 1),
        key=lambda name: NESTING.index(name) if name in NESTING else -1,
    )
    if any(stage.model != stages[0].model for stage in stages) or not set(several) <= _FIELDS.keys():
        return None
    words = [[_word(name, stage) for name in several] for stage in stages]
    if any(None in line for line in words):
        return None
    values = [list(dict.fromkeys(column)) for column in zip(*words, strict=True)]
    if list(map(tuple, words)) != list(itertools.product(*values)):
        return None
    return rows[0] | {name: tuple(map(str, column)) for name, column in zip(several, values, strict=True)}


def _word(name: str, stage: Stage) -> str | None:
    """The word of an option, where it is at its default too; None where it has no value."""
    option = _FIELDS[name]
    value = value_at(stage, option.field)
    return None if value is None else literal(option.write(value, stage))
