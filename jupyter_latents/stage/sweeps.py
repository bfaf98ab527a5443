"""The axes of a sweep: which option took which value for each of the stages that one invocation makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Axis", "Choice", "Sweep", "Value", "axes_of", "label_of"]

Value: TypeAlias = str | int | float
Choice: TypeAlias = tuple[tuple[str, Value], ...]
"""The names of the options that took several values, each with the one that it took here; the slowest first."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Which of an invocation's stages one is.

    Attributes:
        number: Its place among them, 0 for the first.
        of: How many there are.
        choice: What the options took that tell it from the others.
        pair: Where the invocation is one stage of a refined pair among others: which pair, 0 for the first.
        pairs: How many pairs there are.
        refines: Whether the invocation is the second one of its pair.
    """

    number: int = 0
    of: int = 1
    choice: Choice = ()
    pair: int = 0
    pairs: int = 1
    refines: bool = False

    @property
    def place(self) -> int:
        """Its place among the stages of all pairs that are the same one of their pair; else among the invocation's."""
        return self.pair * self.of + self.number

    @property
    def count(self) -> int:
        """How many of these there are."""
        return self.pairs * self.of


@dataclass(frozen=True, slots=True)
class Axis:
    """One option of a sweep.

    Attributes:
        name: As people call the option, such as ``guidance``.
        values: What it took, in the order in which they came.
    """

    name: str
    values: tuple[Value, ...]


def axes_of(choices: Sequence[Choice]) -> tuple[Axis, ...]:
    """The options that took several values, the slowest first.

    Args:
        choices: What the options took for each stage.
    """
    found: dict[str, dict[Value, None]] = {}
    for choice in choices:
        for name, value in choice:
            found.setdefault(name, {})[value] = None
    return tuple(Axis(name, tuple(values)) for name, values in found.items() if len(values) > 1)


def label_of(choice: Choice) -> str:
    """A choice in a line, ``seed 7, guidance 5``; prompts come last, since they may be long.

    Args:
        choice: The choice.
    """
    ordered = sorted(choice, key=lambda pair: "prompt" in pair[0])
    told = (f"{name} {f'{value:g}' if isinstance(value, float) else value}" for name, value in ordered)
    return ", ".join(text.strip() for text in told)
