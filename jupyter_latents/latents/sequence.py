"""Several latents of one invocation: what options that multiply make, labelled by their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

from jupyter_latents.latents import services
from jupyter_latents.latents.value import Latents

__all__ = ["LatentsSequence"]


@dataclass(frozen=True, eq=False, repr=False)
class LatentsSequence(Sequence[Latents]):
    """An immutable sequence of latents that displays as a labelled grid.

    Attributes:
        items: The latents, in the order in which they were made.
        labels: What tells each from the others, such as ``seed 7, guidance 5``.
    """

    items: tuple[Latents, ...]
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Latents: ...

    @overload
    def __getitem__(self, index: slice) -> LatentsSequence: ...

    def __getitem__(self, index: int | slice) -> Latents | LatentsSequence:
        if isinstance(index, slice):
            return LatentsSequence(self.items[index], self.labels[index])
        return self.items[index]

    def label(self, index: int) -> str:
        """The label of one item; its number where it has none."""
        return self.labels[index] if index < len(self.labels) else str(index)

    def __repr__(self) -> str:
        lines = [f"  [{index}] {self.label(index)}: {item!r}" for index, item in enumerate(self.items)]
        return "\n".join([f"{len(self)} latents", *lines])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return services.grid(self)
