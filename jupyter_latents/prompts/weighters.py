"""``--prompt-weighter``: the table of what reads weights and schedules in prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from jupyter_latents.addresses import Address
from jupyter_latents.errors import SettingError, nearest

__all__ = ["NONE", "WEIGHTERS", "Weighter", "weighter_of"]

NONE = "none"
"""The name that stands for no weighter."""


@dataclass(frozen=True, slots=True)
class Weighter:
    """One row of the table.

    Attributes:
        name: As scripts write it.
        about: What it reads, in a clause.
        schedules: Whether it reads schedules, turns and ``AND``; else they are text.
        restores: Whether embeddings have their mean back after they were multiplied.
        breaks_at_commas: Whether a chunk that is full ends after one of its last commas.
        refused: Why it does not run here, and what to do; empty where it does.
    """

    name: str
    about: str
    schedules: bool = False
    restores: bool = False
    breaks_at_commas: bool = False
    refused: str = ""


_ROWS = (
    Weighter(
        "a1111",
        "A1111's weights, BREAK and schedules",
        schedules=True,
        restores=True,
        breaks_at_commas=True,
    ),
    Weighter("sd-embed", "A1111's weights and BREAK, as dgenerate's sd-embed"),
    Weighter(
        "compel",
        "compel's own grammar",
        refused="compel's grammar is not read here; write the weights as (word:1.3) and use a1111",
    ),
)

WEIGHTERS: Mapping[str, Weighter] = MappingProxyType({row.name: row for row in _ROWS})
"""Every weighter, by its name."""


def weighter_of(given: Address) -> Weighter:
    """Reads a weighter.

    Args:
        given: Its address: ``a1111``, or ``a1111;schedules=false`` for its weights alone.

    Raises:
        SettingError: There is no such weighter, it does not run here, or it has no such setting.
    """
    row = WEIGHTERS.get(given.name.lower())
    known = ", ".join(name for name, one in WEIGHTERS.items() if not one.refused)
    if row is None:
        raise SettingError(
            f"'{given.name}' is no prompt weighter{nearest(given.name, WEIGHTERS) or '.'} Known: {known}.",
            option="prompt_weighter",
        )
    if row.refused:
        raise SettingError(f"{row.name} does not run here: {row.refused}.", option="prompt_weighter")
    for key, value in given.settings.items():
        if key != "schedules" or not row.schedules:
            allowed = "allowed: schedules" if row.schedules else "it has none"
            raise SettingError(f"'{key}' is no setting of {row.name}; {allowed}.", option="prompt_weighter")
        if value.lower() not in ("true", "false"):
            raise SettingError(f"schedules={value} is not allowed; write true or false.", option="prompt_weighter")
        row = replace(row, schedules=value.lower() == "true")
    return row
