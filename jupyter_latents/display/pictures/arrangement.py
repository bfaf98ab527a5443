"""Where the pictures of a sweep stand: rows, columns and tabs, from which option took which value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_latents.errors import SettingError, nearest
from jupyter_latents.latents.arguments import shown
from jupyter_latents.stage import Axis, Choice, Value, axes_of, label_of
from jupyter_latents.syntax.options.choices import CALLED
from jupyter_latents.syntax.options.keywords import KEYWORDS

__all__ = ["Arrangement", "arranged", "value_text"]

_NONE = Axis("", ("",))
_SPELLINGS = {name: called for dest, called in CALLED.items() for name in (dest, KEYWORDS.get(dest, called), called)}


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A grid of pictures.

    Attributes:
        rows: The option whose values are the rows; its name is empty where there is one row.
        columns: The option whose values are the columns; its name is empty where none took several values.
        tabs: What stands over each grid, where more than two options took several values; else one empty text.
        places: Tab, row and column of each result, in their order.
    """

    rows: Axis
    columns: Axis
    tabs: tuple[str, ...]
    places: tuple[tuple[int, int, int], ...]

    @property
    def flat(self) -> bool:
        """Whether the pictures have no rows and columns, so that each has its own words."""
        return not self.rows.name


def value_text(value: Value) -> str:
    """A value of an axis as it is shown."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def arranged(choices: Sequence[Choice], x: str = "", y: str = "") -> Arrangement:
    """The grid of a sweep's results: the option that changes fastest makes the columns, the next one the rows.

    Args:
        choices: What the options took for each result.
        x: The option of the columns; empty to choose it.
        y: The option of the rows; empty to choose it.

    Raises:
        SettingError: There is no such axis, or both are the same.
    """
    axes = axes_of(choices)
    columns, rows = (_axis(axes, name, side) if name else None for name, side in ((x, "x"), (y, "y")))
    if columns is not None and columns == rows:
        raise SettingError(f"x and y are both {columns.name}; give two options, or leave one out.")
    free = [axis for axis in axes if axis not in (columns, rows)]
    columns = columns or (free.pop() if free else _NONE)
    rows = rows or (free.pop() if free else _NONE)
    names = {axis.name for axis in free}
    told = [tuple(pair for pair in choice if pair[0] in names) for choice in choices]
    tabs = dict.fromkeys(told)
    numbers = {key: number for number, key in enumerate(tabs)}
    places = tuple(
        (numbers[key], _at(rows, choice), _at(columns, choice)) for key, choice in zip(told, choices, strict=True)
    )
    return Arrangement(rows, columns, tuple(_tab(key, len(free)) for key in tabs), places)


def _axis(axes: Sequence[Axis], given: str, side: str) -> Axis:
    """The axis that a name means: in the words of people, of Python (``guidance_scale``) or of scripts."""
    name = _SPELLINGS.get(given.removeprefix("--").replace("-", "_"), given)
    found = next((axis for axis in axes if axis.name == name), None)
    if found is None:
        names = [axis.name for axis in axes]
        there = f"the axes are {', '.join(names)}" if names else "no option took several values"
        raise SettingError(f"{side} is {shown(given)}, no axis of these results{nearest(str(given), names)}; {there}.")
    return found


def _at(axis: Axis, choice: Choice) -> int:
    places = (axis.values.index(value) for name, value in choice if name == axis.name and value in axis.values)
    return next(places, 0)


def _tab(key: Choice, axes: int) -> str:
    """What stands over a grid: the value alone where one option makes the tabs."""
    return value_text(key[0][1]) if axes == 1 and key else label_of(key)
