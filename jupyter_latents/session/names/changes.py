"""What image processors do to pictures before they are brought to their size, and to their sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from jupyter_latents.processing import chain_of, chain_size, processed
from jupyter_latents.stage import Address

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["changed", "changed_sizes"]


def changed(images: Iterable[Image], links: Sequence[Address]) -> Iterator[Image]:
    """Pictures of a position after the processors that work before they are brought to their size."""
    for number, image in enumerate(images):
        chain = chain_of(links, number, before=True)
        yield processed(image, chain).convert(image.mode) if chain else image


def changed_sizes(sizes: Sequence[tuple[int, int]], links: Sequence[Address]) -> list[tuple[int, int]]:
    """What `changed` makes of pictures of these sizes."""
    return [chain_size(size, chain_of(links, number, before=True)) for number, size in enumerate(sizes)]
