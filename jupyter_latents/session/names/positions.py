"""What stands in each position of an image seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_latents.engine import Outline
from jupyter_latents.session.names.kinds import is_standing

__all__ = ["Positions"]


@dataclass(frozen=True, slots=True)
class Positions:
    """What stands in each position of an image seed, with what the script calls it.

    Attributes:
        latents: Values that are to be latents.
        images: Pictures, and latents that are to become pictures.
        masks: The same of masks.
        controls: The same of control images.
    """

    latents: tuple[tuple[Any, str], ...]
    images: tuple[tuple[Any, str], ...]
    masks: tuple[tuple[Any, str], ...]
    controls: tuple[tuple[Any, str], ...]

    @property
    def pictured(self) -> tuple[tuple[Any, str], ...]:
        """All that are pictures, or become some."""
        return (*self.images, *self.masks, *self.controls)

    @property
    def decoded(self) -> tuple[Outline, ...]:
        """The facts of the latents among them."""
        return tuple(Outline.of(item) for item, _ in self.pictured if is_standing(item))
