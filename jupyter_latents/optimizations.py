"""``--optimize``: the table of what makes a model faster or smaller, a row a choice, and how choices are read.

It knows no torch, so that the syntax can read it; `engine.optimize` puts the choices on modules.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from jupyter_latents.addresses import Address, address_of
from jupyter_latents.errors import SettingError, nearest

__all__ = ["OPTIMIZATIONS", "Choice", "Optimization", "Setting", "choice_of", "choices_of", "keeps_law", "notes"]


@dataclass(frozen=True, slots=True)
class Setting:
    """A number that a choice may be given.

    Attributes:
        default: Its value when not given.
        least: The lowest that is allowed.
        most: The highest.
        whole: Whether only whole numbers are.
    """

    default: float
    least: float
    most: float
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Optimization:
    """One row of the table.

    Attributes:
        name: As scripts write it.
        about: What it does, in a clause.
        measured: How far its results are from those without it: relative L2 of the last latents of the demo models,
            24 steps, on a CPU, median of six prompts; ``python -m tests.benchmarks.optimizations`` prints it.
        keeps_law: Whether a split run still equals the whole run bit for bit.
        approximate: Whether its results differ by more than rounding.
        kind: Choices of one kind exclude each other; empty for none.
        settings: Name to what it may be.
    """

    name: str
    about: str
    measured: str
    keeps_law: bool = True
    approximate: bool = False
    kind: str = ""
    settings: Mapping[str, Setting] = field(default_factory=lambda: MappingProxyType({}))


_ROWS = (
    Optimization("channels-last", "convolutions in channels-last layout", "1e-6"),
    Optimization("fuse-projections", "query, key and value in one product", "0"),
    Optimization(
        "float8-weights",
        "weights kept in 8 bits, computed in the model's dtype",
        "3 %, at worst 10 %",
        approximate=True,
    ),
    Optimization(
        "first-block-cache",
        "steps whose first block changes little reuse the rest of the step before",
        "they cannot have it",
        keeps_law=False,
        approximate=True,
        kind="step cache",
        settings=MappingProxyType({"threshold": Setting(0.08, 0, 1)}),
    ),
    Optimization(
        "taylorseer",
        "steps between computed ones are predicted",
        "3 %, at worst 21 %",
        keeps_law=False,
        approximate=True,
        kind="step cache",
        settings=MappingProxyType(
            {
                "interval": Setting(3, 2, 20, whole=True),
                "order": Setting(1, 0, 4, whole=True),
                "warmup": Setting(3, 1, 1000, whole=True),
            }
        ),
    ),
    Optimization("compile", "repeated blocks compiled by torch.compile", "1e-6"),
)

OPTIMIZATIONS: Mapping[str, Optimization] = MappingProxyType({row.name: row for row in _ROWS})
"""Every choice, in the order in which they are put on a model."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A row with the numbers it is used with.

    Attributes:
        row: What is chosen.
        settings: All of its settings.
    """

    row: Optimization
    settings: Mapping[str, float]

    def __str__(self) -> str:
        return ";".join([self.row.name, *(f"{name}={value:g}" for name, value in self.settings.items())])

    @property
    def note(self) -> str:
        """What is to be told of it, in the dry run and in the run."""
        if not self.row.approximate:
            return f"optimized: {self} ({self.row.about}; the split law holds, rounding differs: {self.row.measured})"
        law = "the split law holds" if self.row.keeps_law else "the split law does not hold"
        return f"approximate: {self} ({self.row.about}; {law}; measured error on the demo models: {self.row.measured})"


def choice_of(given: Address | str) -> Choice:
    """Reads one choice.

    Args:
        given: Its address, ``taylorseer;interval=4``, or the text of one.

    Raises:
        SettingError: No such choice, or a setting that is not allowed.
    """
    address = address_of(given, "optimize")
    name = address.name if address is not None else ""
    row = OPTIMIZATIONS.get(name)
    if row is None:
        hint = nearest(name, OPTIMIZATIONS) or "."
        raise SettingError(f"'{name}' is no optimization{hint} Known: {', '.join(OPTIMIZATIONS)}.")
    settings = {key: setting.default for key, setting in row.settings.items()}
    for key, value in address.settings.items() if address is not None else ():
        if key not in row.settings:
            known = f"allowed: {', '.join(row.settings)}" if row.settings else "it has none"
            raise SettingError(f"'{key}' is no setting of {name}{nearest(key, row.settings) or ';'} {known}.")
        settings[key] = _number(value, f"{key} of {name}", row.settings[key])
    return Choice(row, settings)


def _number(text: str, what: str, setting: Setting) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not setting.least <= value <= setting.most or (setting.whole and value != int(value)):
        kind = "whole number" if setting.whole else "number"
        raise SettingError(
            f"'{text}' is not allowed as {what}; give a {kind} from {setting.least:g} to {setting.most:g}."
        )
    return value


def choices_of(given: Iterable[Address | str]) -> tuple[Choice, ...]:
    """Reads several choices; they come in the order in which they are put on a model.

    Raises:
        SettingError: One cannot be read, is there twice, or excludes another.
    """
    found: list[Choice] = []
    for choice in map(choice_of, given):
        for other in found:
            if other.row is choice.row:
                raise SettingError(f"{choice.row.name} is given twice; keep one.")
            if choice.row.kind and other.row.kind == choice.row.kind:
                raise SettingError(
                    f"{other.row.name} and {choice.row.name} exclude each other, a model has one {choice.row.kind}; "
                    "keep one."
                )
        found.append(choice)
    order = list(OPTIMIZATIONS)
    return tuple(sorted(found, key=lambda choice: order.index(choice.row.name)))


def keeps_law(given: Iterable[Address | str]) -> bool:
    """Whether a run with these choices can be split without a difference."""
    return all(choice.row.keeps_law for choice in choices_of(given))


def notes(given: Iterable[Address | str]) -> tuple[str, ...]:
    """A line for each choice: what it does, and what becomes of the split law."""
    return tuple(choice.note for choice in choices_of(given))
