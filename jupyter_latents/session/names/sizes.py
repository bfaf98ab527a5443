"""The sizes that a stage and its image seed ask for, and those of what stands there, found without reading it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine import asked_size, size_after_resize
from jupyter_latents.errors import HandoffError
from jupyter_latents.formats import MOST_PIXELS
from jupyter_latents.paths import opened
from jupyter_latents.pictures.reading import size_of
from jupyter_latents.session.names.kinds import is_standing
from jupyter_latents.stage import AdapterImage, ImageSeed, Stage
from jupyter_latents.stopping import check
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.latents.spaces import Space

__all__ = ["bring_to_size", "file_size", "size_in", "sizes_of", "stage_size", "stretch_notes"]

_RAW = "raw VAE"  # the space of ComfyUI's files that say none
_SHAPE = 0.02  # relative difference of two aspect ratios that is taken for rounding


def file_size(file: str) -> tuple[int, int]:
    """(width, height) in pixels of a picture's file; its header alone is read.

    Args:
        file: Its path.

    Raises:
        NameNotFoundError: It is no picture that can be read.
    """
    return size_of(opened(file), file, check)


def stage_size(stage: Stage) -> tuple[int, int] | None:
    """(width, height) in pixels that a stage asks for."""
    return (stage.size.width, stage.size.height) if stage.size is not None else None


def sizes_of(items: Iterable[tuple[Any, str]], space: Space) -> list[tuple[int, int]]:
    """(width, height) of each picture; its content is not read.

    Args:
        items: Pictures, files of them and latents, each with what to call it.
        space: That of the stage's model, for latents that name none.
    """
    found: list[tuple[int, int]] = []
    for item, name in items:
        if is_standing(item):
            from jupyter_latents.latents.spaces import for_shape

            said = space if item.space is None or item.space.name == _RAW else item.space
            own = for_shape(said, item.shape)
            found += [own.size_of(item.shape)] * item.shape[0] * own.frames_of(item.shape)
        else:
            found.append(size_of(item, name, check))
    return found


def stretch_notes(images: Sequence[tuple[int, int]], masks: Sequence[tuple[int, int]]) -> Iterator[str]:
    """That a mask has another shape than its picture, to which it is stretched.

    Args:
        images: (width, height) of each picture.
        masks: Of each mask.
    """
    for width, height in dict.fromkeys(masks if images else ()):
        across, down = images[0]
        if abs(width * down - height * across) > _SHAPE * width * down:
            yield f"a mask of {width}x{height} is stretched to its picture of {across}x{down}"


def size_in(size: tuple[int, int], seed: ImageSeed | AdapterImage) -> tuple[int, int]:
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


def bring_to_size(image: Image, seed: ImageSeed | AdapterImage) -> Image:
    """An input picture at the seed's size."""
    size = size_in(image.size, seed)
    return image if size == image.size else image.resize(size)
