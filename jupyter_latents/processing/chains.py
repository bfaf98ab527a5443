"""Chains of image processors: one for each picture of a position, parted by ``+``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from jupyter_latents.addresses import Address

from .table import BEFORE, PROCESSORS, settings_of

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["AND", "chain_of", "chain_size", "chains", "processed"]

AND = "+"
"""What parts the chain of a picture from that of the next."""

Chain: TypeAlias = tuple[Address, ...]


def chains(links: Sequence[Address]) -> list[Chain]:
    """The chain of each picture; a ``+`` at an end, or beside another, is an empty one. No links are no chains."""
    found: list[list[Address]] = [[]]
    for link in links:
        if link.name == AND:
            found.append([])
        else:
            found[-1].append(link)
    return [tuple(chain) for chain in found] if links else []


def chain_of(links: Sequence[Address], number: int, *, before: bool) -> Chain:
    """What is done to a picture; empty for nothing.

    Args:
        links: Those of its position.
        number: Which of the position's pictures it is.
        before: Whether that before it is brought to its size is meant, or that after.
    """
    found = chains(links)
    chain = found[number] if number < len(found) else ()
    return tuple(link for link in chain if settings_of(link)[BEFORE] == before)


def chain_size(size: tuple[int, int], chain: Chain) -> tuple[int, int]:
    """(width, height) of what becomes of a picture of a size.

    Args:
        size: (width, height).
        chain: What is done to it.
    """
    for link in chain:
        size = PROCESSORS[link.name.lower()].size(size, settings_of(link))
    return size


def processed(image: Image, chain: Chain) -> Image:
    """What becomes of a picture.

    Args:
        image: The picture.
        chain: What is done to it.
    """
    for link in chain:
        image = PROCESSORS[link.name.lower()].work(image.convert("RGB"), settings_of(link))
    return image
