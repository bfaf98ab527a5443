"""What image processors do to the pictures of a stage, once they are brought to its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from jupyter_latents.engine.given.inputs import Call, Given, Inputs
from jupyter_latents.errors import HandoffError
from jupyter_latents.processing import chain_of, chain_size, chains, processed
from jupyter_latents.stage import Address, Stage
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["check_chains", "guides", "holes", "pictures", "size_after"]


def check_chains(stage: Stage, given: Given) -> None:
    """Sees that there is a picture for each chain of processors.

    Args:
        stage: What is asked for.
        given: What goes into it.

    Raises:
        HandoffError: There is none.
    """
    for dest, links, count, what, part in (
        ("seed_image_processors", stage.seed_image_processors, len(given.images), "pictures", "photo.png"),
        ("mask_image_processors", stage.mask_image_processors, given.masks, "masks", "photo.png;mask=hole.png"),
        ("control_image_processors", stage.control_image_processors, given.controls, "control images",
         "photo.png;control=lines.png"),
    ):  # fmt: skip
        asked = len(chains(links))
        if asked > count:
            raise HandoffError(
                f"{option(dest)} has chains for {asked} {what}, and there {'is' if count == 1 else 'are'} "
                f'{count or "none"} ({option("image_seeds")} "{part}"). A + begins the chain of the next picture.',
                option=dest,
            )


def size_after(stage: Stage, given: Given, size: tuple[int, int]) -> tuple[int, int]:
    """The size that the picture of a stage, or its control image alone, has after its processors.

    Args:
        stage: What is asked for.
        given: What goes into it.
        size: (width, height) that the picture is brought to before.
    """
    links = stage.seed_image_processors if given.images else stage.control_image_processors if given.sized else ()
    return chain_size(size, chain_of(links, 0, before=False))


def pictures(call: Call, inputs: Inputs) -> list[Image]:
    """The pictures of the image position."""
    before = call.before or call.size
    return list(_brought(inputs.images, call.stage.seed_image_processors, before, call.size))


def holes(call: Call, inputs: Inputs) -> list[Image]:
    """The masks."""
    before = call.before or call.size
    return list(_brought(inputs.masks, call.stage.mask_image_processors, before, call.size))


def guides(call: Call, inputs: Inputs) -> list[Image]:
    """The control images."""
    before = call.before or call.size
    return list(_brought(inputs.controls, call.stage.control_image_processors, before, call.size))


def _brought(
    images: Sequence[Image], links: Sequence[Address], before: tuple[int, int], size: tuple[int, int]
) -> Iterator[Image]:
    """Pictures at a size, processed, and at the size that is made."""
    for number, image in enumerate(images):
        chain = chain_of(links, number, before=False)
        first = before if chain else size
        made = processed(image.resize(first) if image.size != first else image, chain).convert(image.mode)
        yield made.resize(size) if made.size != size else made
