"""Several latents of one invocation: what options that multiply make, labelled by their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from jupyter_latents.errors import LatentsError
from jupyter_latents.latents import services
from jupyter_latents.latents.arguments import shown, text, whole
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import Axis, Choice, axes_of

if TYPE_CHECKING:
    from jupyter_latents.latents.sheet import Sheet

__all__ = ["LatentsSequence"]


@dataclass(frozen=True, eq=False, repr=False)
class LatentsSequence(Sequence[Latents]):
    """An immutable sequence of latents that displays as a labelled grid.

    Attributes:
        items: The latents, in the order in which they were made.
        labels: What tells each from the others, such as ``seed 7, guidance 5``.
        choices: Which option took which value for each: ``(("guidance", 5.0), ("seed", 7))``.
    """

    items: tuple[Latents, ...]
    labels: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()

    def __post_init__(self) -> None:
        for name, kind, what in (
            ("items", Latents, "latents"),
            ("labels", str, "texts"),
            ("choices", tuple, "tuples of names and values"),
        ):
            given: object = getattr(self, name)
            if not isinstance(given, tuple) or not all(isinstance(item, kind) for item in given):
                raise LatentsError(f"the {name} of a sequence of latents are {shown(given)}; give a tuple of {what}.")

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Latents: ...

    @overload
    def __getitem__(self, index: slice) -> LatentsSequence: ...

    def __getitem__(self, index: int | slice) -> Latents | LatentsSequence:
        if isinstance(index, slice):
            return LatentsSequence(self.items[index], self.labels[index], self.choices[index])
        return self.items[self._number(index)]

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The options that took several values, the slowest first, with what they took."""
        return axes_of(self.choices)

    def grid(self, x: str = "", y: str = "") -> Sheet:
        """The pictures on one contact sheet, between the values of two options; those of others make further grids.

        ``xy.grid(x="guidance", y="seed").save("xy.png")``; `Sheet.picture` is Pillow's.

        Args:
            x: The option whose values are the columns; by itself the one that changes fastest.
            y: The option whose values are the rows; by itself the one that changes next.

        Raises:
            SettingError: No such option took several values, or both are the same.
            LatentsError: There are no pictures, or too many for one sheet.
            ModelError: The VAE is not at hand.
        """
        return services.sheet(self, text(x, "x"), text(y, "y"))

    def save(self, path: str | Path) -> Path:
        """Writes `grid()`, with the cell that makes its pictures; see `Sheet.save`."""
        return self.grid().save(path)

    def label(self, index: int) -> str:
        """The label of one item; its number where it has none."""
        number = self._number(index)
        return self.labels[number] if number < len(self.labels) else str(number)

    def _number(self, index: object) -> int:
        """An index counted from the front.

        Raises:
            SettingError: It is no whole number.
            IndexError: No item is there, which is how Python finds the end of a sequence.
        """
        number = whole(index, "index", "it is a whole number, or a slice.")
        if not -len(self) <= number < len(self):
            raise IndexError(f"no item {number} among {len(self)} latents; use 0 to {len(self) - 1}.")
        return number % len(self)

    def __repr__(self) -> str:
        lines = [f"  [{index}] {self.label(index)}: {item!r}" for index, item in enumerate(self.items)]
        return "\n".join([f"{len(self)} latents", *lines])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return services.grid(self)
