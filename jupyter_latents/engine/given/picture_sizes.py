"""The size of an input picture, as its image seed asks for it."""

from __future__ import annotations

from jupyter_latents.stage import AdapterImage, ImageSeed

__all__ = ["ALIGN", "asked_size", "round_down", "size_after_resize"]

ALIGN = 8
"""Pixels that an input picture's sides are multiples of, where nobody says."""


def round_down(pixels: int, align: int) -> int:
    """The nearest width or height below that is a multiple of `align`, and at least one."""
    return max(align, pixels - pixels % align)


def asked_size(size: tuple[int, int], seed: ImageSeed | AdapterImage) -> tuple[int, int]:
    """(width, height) in pixels that an input picture is to have by its seed's ``resize`` and ``aspect``.

    Args:
        size: (width, height) of the picture as it is.
        seed: Its image seed; the aspect ratio is kept unless it says ``aspect=false``.
    """
    if seed.resize is None:
        return size
    width, height = seed.resize.width, seed.resize.height
    kept = seed.aspect is not False and (width, height) != size
    return width, int(size[1] * (width / size[0])) if kept else height


def size_after_resize(size: tuple[int, int], seed: ImageSeed | AdapterImage) -> tuple[int, int]:
    """(width, height) in pixels of an input picture after its seed's ``resize``, ``aspect`` and ``align``.

    Args:
        size: (width, height) of the picture as it is.
        seed: Its image seed.
    """
    if seed.resize is None and seed.align is None:
        return size
    width, height = asked_size(size, seed)
    align = seed.align or ALIGN
    return round_down(width, align), round_down(height, align)
