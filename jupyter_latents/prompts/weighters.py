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
        schedules: Whether it reads schedules and turns; else they are text.
        joins: The same of ``AND``.
        restores: Whether embeddings have their mean back after they were multiplied.
        breaks_at_commas: Whether a chunk that is full ends after one of its last commas.
        library: The library that reads and encodes prompts in its place; empty for none.
        syntax: The grammar that such a library is given, ``compel`` or ``sdwui``; empty where it has one.
    """

    name: str
    about: str
    schedules: bool = False
    joins: bool = False
    restores: bool = False
    breaks_at_commas: bool = False
    library: str = ""
    syntax: str = ""


_ROWS = (
    Weighter(
        "a1111",
        "A1111's weights, BREAK, AND and schedules",
        schedules=True,
        joins=True,
        restores=True,
        breaks_at_commas=True,
    ),
    Weighter("sd-embed", "A1111's weights and BREAK, as dgenerate's sd-embed"),
    Weighter("compel", "compel's own, (barn)++, by the library of that name", library="compel", syntax="compel"),
)

WEIGHTERS: Mapping[str, Weighter] = MappingProxyType({row.name: row for row in _ROWS})
"""Every weighter, by its name."""


_SETTINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"a1111": {"schedules": ("true", "false"), "and": ("true", "false")}, "compel": {"syntax": ("compel", "sdwui")}}
)


_ELSEWHERE = {"llm4gen": "it reads prompts with a language model of its own, and has a U-Net for it"}
"""dgenerate's other weighters, with the reason."""


def weighter_of(given: Address) -> Weighter:
    """Reads a weighter.

    Args:
        given: Its address: ``a1111``, ``a1111;schedules=false`` for its weights alone (and with ``and=true`` for
            ``AND`` besides), ``compel;syntax=sdwui`` for A1111's weights in compel's arithmetic.

    Raises:
        SettingError: There is no such weighter, or it has no such setting.
    """
    row, known = WEIGHTERS.get(given.name.lower()), ", ".join(WEIGHTERS)
    if given.name.lower() in _ELSEWHERE:
        reason = _ELSEWHERE[given.name.lower()]
        raise SettingError(
            f"the prompt weighter {given.name} does not run here: {reason}. Known: {known}.", option="prompt_weighter"
        )
    if row is None:
        raise SettingError(
            f"'{given.name}' is no prompt weighter{nearest(given.name, WEIGHTERS) or '.'} Known: {known}.",
            option="prompt_weighter",
        )
    own = _SETTINGS.get(row.name, {})
    for key, value in sorted(given.settings.items(), key=lambda item: item[0] == "and"):
        if key not in own:
            allowed = f"allowed: {', '.join(own)}" if own else "it has none"
            raise SettingError(f"'{key}' is no setting of {row.name}; {allowed}.", option="prompt_weighter")
        if value.lower() not in own[key]:
            text = f"{key}={value} is not allowed; write {' or '.join(own[key])}."
            raise SettingError(text, option="prompt_weighter")
        if key == "schedules":
            row = replace(row, schedules=value.lower() == "true", joins=value.lower() == "true")
        elif key == "and":
            row = replace(row, joins=value.lower() == "true")
        else:
            row = replace(row, syntax=value.lower())
    return row
