"""How much of a mask is neither black nor white: diffusers' pipelines round masks, so that such grey is lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jupyter_latents.addresses import Address

from .chains import AND

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["grey_share", "keeps_grey"]

_BLACK, _WHITE = 32, 223  # of 255: what the noise of a JPEG and a thin edge stay beyond
_OF_ALL = 0.05  # smooth edges of a few pixels are less of a mask
_OF_SIDE = 0.5  # and less of what is not black, or not white, in a mask of one small part
_KEEPING = (AND, "invert", "mirror", "flip", "grayscale", "dilate", "gaussian-blur", "resize", "letterbox", "crop")


def grey_share(mask: Image) -> float:
    """The share of a mask's pixels that are grey, 0 where they are no more than smooth edges and a JPEG's noise.

    Grey is 33 to 222 of 255. It counts where it is more than 5 % of all pixels, or more than half of those that are not
    black, or not white.

    Args:
        mask: The mask, mode ``L``.
    """
    counts = mask.histogram()
    dark, grey, light = sum(counts[: _BLACK + 1]), sum(counts[_BLACK + 1 : _WHITE]), sum(counts[_WHITE:])
    whole = dark + grey + light
    counts_as_grey = grey > _OF_ALL * whole or grey > _OF_SIDE * (grey + min(dark, light))
    return grey / whole if grey and counts_as_grey else 0.0


def keeps_grey(links: Iterable[Address]) -> bool:
    """Whether what is grey in a picture surely stays so through processors, as through none.

    Args:
        links: The processors.
    """
    return all(link.name.lower() in _KEEPING for link in links)
