"""Chains of image processors: one for each picture of a position, parted by ``+``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from jupyter_latents.addresses import Address

from .table import BEFORE, PROCESSORS, settings_of

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["AND", "chain_of", "chain_size", "chains", "processed"]

AND = "+"
"""What parts the chain of a picture from that of the next."""

Chain: TypeAlias = tuple[Address, ...]


class Link(Protocol):
    """What is done in one place of a chain; ``+`` is the name of what parts two chains."""

    @property
    def name(self) -> str:
        """What it is called."""


LinkT = TypeVar("LinkT", bound=Link)


def chains(links: Sequence[LinkT]) -> list[tuple[LinkT, ...]]:
    """The chain of each picture, or of each latents; no links are no chains.

    Args:
        links: Those of a position; a ``+`` at an end, or beside another, parts an empty chain from the next.
    """
    found: list[list[LinkT]] = [[]]
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
