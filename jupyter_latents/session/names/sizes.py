"""The sizes that a stage and its image seed ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_latents.engine import asked_size, size_after_resize
from jupyter_latents.errors import HandoffError
from jupyter_latents.formats import MOST_PIXELS
from jupyter_latents.stage import ImageSeed, Stage
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["size_in", "sized", "stage_size"]


def stage_size(stage: Stage) -> tuple[int, int] | None:
    """(width, height) in pixels that a stage asks for."""
    return (stage.size.width, stage.size.height) if stage.size is not None else None


def size_in(size: tuple[int, int], seed: ImageSeed) -> tuple[int, int]:
    """(width, height) of an input picture after its seed's ``resize`` and ``align``.

    Raises:
        HandoffError: That is more than a picture may have.
    """
    width, height = asked_size(size, seed)
    if seed.resize is not None and width * height > MOST_PIXELS:
        raise HandoffError(
            f"{option('image_seeds')} resizes a picture to {width}x{height}; {MOST_PIXELS // 10**6} million pixels "
            "are the most. Give a smaller size.",
            option="image_seeds",
        )
    return size_after_resize(size, seed)


def sized(image: Image, seed: ImageSeed) -> Image:
    """An input picture at the seed's size."""
    size = size_in(image.size, seed)
    return image if size == image.size else image.resize(size)
