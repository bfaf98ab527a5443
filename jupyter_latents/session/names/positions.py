"""What stands in each position of an image seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_latents.engine import Outline
from jupyter_latents.session.names.kinds import is_standing
from jupyter_latents.stage import AdapterImage

__all__ = ["Positions"]


@dataclass(frozen=True, slots=True)
class Positions:
    """What stands in each position of an image seed, with what the script calls it.

    Attributes:
        latents: Values that are to be latents.
        images: Pictures, and latents that are to become pictures.
        masks: The same of masks.
        controls: The same of control images.
        adapters: The same of each IP-Adapter's images, with how each is resized.
        fps: Frames a second of a clip among the images; 0 where nobody says.
    """

    latents: tuple[tuple[Any, str], ...]
    images: tuple[tuple[Any, str], ...]
    masks: tuple[tuple[Any, str], ...]
    controls: tuple[tuple[Any, str], ...]
    adapters: tuple[tuple[tuple[Any, str, AdapterImage], ...], ...] = ()
    fps: float = 0.0

    @property
    def pictured(self) -> tuple[tuple[Any, str], ...]:
        """All that are pictures, or become some."""
        adapters = ((item, name) for adapter in self.adapters for item, name, _ in adapter)
        return (*self.images, *self.masks, *self.controls, *adapters)

    @property
    def decoded(self) -> tuple[Outline, ...]:
        """The facts of the latents among them."""
        return tuple(Outline.of(item) for item, _ in self.pictured if is_standing(item))
