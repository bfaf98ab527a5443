"""One row of the option table: how an option is read, which field of a stage it fills, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_latents.stage import Stage

from . import parsers, writers
from .fields import default, value_at

__all__ = ["Option"]


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table.

    Attributes:
        names: The long name first, then other spellings.
        dest: Key of the value in an invocation.
        metavar: Name of a value in help; empty for a switch that takes none.
        parse: How one value is read.
        group: Heading in help.
        help: What it does, with unit, range and default.
        many: Whether it takes several values.
        multiplies: Whether several values make several stages.
        completion: What its values complete to: ``model``, ``scheduler``, ``seed``, ``path``, ``variable`` or empty.
        choices: Allowed values, for completion.
        field: Path of the stage's field that it fills, such as ``seed`` or ``model.dtype``; empty for none.
        gives: What a switch puts into the field.
        fill: Gives the values by field, for an option that fills more than `field`.
        write: How one value of the field is written.
        covers: `dest` of an option that is left out where this one is written.
    """

    names: tuple[str, ...]
    dest: str
    metavar: str
    parse: parsers.Parser
    group: str
    help: str
    many: bool = False
    multiplies: bool = False
    completion: str = ""
    choices: tuple[str, ...] = ()
    field: str = ""
    gives: Any = True
    fill: writers.Filler | None = None
    write: writers.Writer = writers.plain
    covers: str = ""

    @property
    def name(self) -> str:
        """The long name."""
        return self.names[0]

    @property
    def flag(self) -> bool:
        """Whether it takes no value."""
        return not self.metavar

    @property
    def gathers(self) -> bool:
        """Whether its field holds all its values at once."""
        return self.many and not self.multiplies

    def values(self, given: Any) -> Mapping[str, Any]:
        """What it puts into a stage, by the path of the field.

        Args:
            given: The value given; all of them in a tuple where the option gathers them.
        """
        if self.fill is not None:
            return self.fill(given)
        return {self.field: self.gives if self.flag else given} if self.field else {}

    def words(self, stage: Stage) -> tuple[str, ...] | None:
        """Its words for a stage; a switch has none. None where the option is left out.

        Args:
            stage: The stage.
        """
        value = value_at(stage, self.field) if self.field else None
        if self.flag:
            return () if value == self.gives else None
        if value is None or value == () or value == default(self.field):
            return None
        return tuple(self.write(one, stage) for one in (value if self.gathers else (value,)))
