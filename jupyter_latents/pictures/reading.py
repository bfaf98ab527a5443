"""From a picture of any kind to what a stage takes: upright, eight bits, red, green and blue, or the grey of a mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from jupyter_latents.errors import NameNotFoundError
from jupyter_latents.pictures.arrays import eight_bits, is_pixels, picture_of
from jupyter_latents.pictures.files import opened
from jupyter_latents.pictures.film_files import Frame

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["is_image", "is_picture", "note_of", "read_mask", "read_picture", "size_of"]

_ORIENTATION = 0x0112  # EXIF's tag
_SIDEWAYS = (5, 6, 7, 8)
_SIXTEEN_BITS = ("PNG", "PPM")  # formats whose whole numbers are of sixteen bits where Pillow gives 32


def _unasked() -> None:
    """Goes on."""


def is_image(value: Any) -> TypeGuard[Image]:
    """Whether a value is a PIL picture."""
    return hasattr(value, "convert") and hasattr(value, "resize") and hasattr(value, "mode")


def is_picture(value: Any) -> bool:
    """Whether a value is a picture by itself: a PIL picture, an array of pixels, a frame, or the bytes of a file."""
    return is_image(value) or is_pixels(value) or isinstance(value, (bytes, Frame))


def size_of(value: Any, name: str, check: Callable[[], None] = _unasked) -> tuple[int, int]:
    """(width, height) in pixels of a picture that stands upright; of a file, only the header is read.

    Args:
        value: A file, its bytes, a PIL picture or an array of pixels.
        name: What the script calls it.
        check: See `opened`.

    Raises:
        NameNotFoundError: It is no picture that can be read.
    """
    if isinstance(value, Frame):
        return value.size
    if isinstance(value, (Path, bytes)):
        with opened(value, name, check) as image:
            return _upright_size(image)
    size = _upright_size(value if is_image(value) else picture_of(value, name))
    if 0 in size:
        raise NameNotFoundError(f"{name} is a picture of {size[0]}x{size[1]} pixels; at least 1x1 is read.", name=name)
    return size


def note_of(value: Any, name: str, check: Callable[[], None] = _unasked) -> str:
    """What is to be told of a picture: that a file has further ones; empty where there is nothing to tell.

    Args:
        value: See `size_of`.
        name: See `size_of`.
        check: See `opened`.

    Raises:
        NameNotFoundError: See `read_picture`, as far as the header tells.
    """
    if isinstance(value, (Path, bytes)):
        with opened(value, name, check) as image:
            return note_of(image, name)
    if is_image(value):
        _check_mode(value, getattr(value, "format", "") or "", name)
    # A phone's MPO is a photograph with a small one behind it.
    several = is_image(value) and getattr(value, "is_animated", False) and getattr(value, "format", "") != "MPO"
    shown = value.tell() + 1 if several else 1  # of a picture that somebody opened, and may have moved on
    which = "the first" if shown == 1 else f"number {shown}, where it stands,"
    return f"{name} holds several pictures; {which} is used" if several else ""


def read_picture(value: Any, name: str, check: Callable[[], None] = _unasked) -> Image:
    """A picture in red, green and blue; what is transparent becomes white.

    Args:
        value: See `size_of`.
        name: See `size_of`.
        check: See `opened`; called between the steps of a large picture, too.

    Raises:
        NameNotFoundError: It is no picture that can be read, or nobody says what its numbers mean.
    """
    return _read(value, name, check, ("RGB", "white"))


def read_mask(value: Any, name: str, check: Callable[[], None] = _unasked) -> Image:
    """A mask in grey, white where it is painted; what is transparent becomes black.

    Args:
        value: See `size_of`.
        name: See `size_of`.
        check: See `opened`.

    Raises:
        NameNotFoundError: See `read_picture`.
    """
    mask = _read(value, name, check, ("L", "black"))
    if mask.getextrema() in ((0, 1), (1, 1)):
        raise NameNotFoundError(
            f"{name} cannot be used as a mask: its values are 0 and 1, and 255 is white. Give truth values (mask > 0) "
            "or 255 times as much.",
            name=name,
        )
    return mask


def _read(value: Any, name: str, check: Callable[[], None], wanted: tuple[str, str]) -> Image:
    if isinstance(value, Frame):
        value = value.picture
    if isinstance(value, (Path, bytes)):
        with opened(value, name, check) as image:
            image.load()
            return _plain(image, name, check, wanted)
    return _plain(value if is_image(value) else picture_of(value, name), name, check, wanted)


def _plain(image: Image, name: str, check: Callable[[], None], wanted: tuple[str, str]) -> Image:
    """A picture upright and in a mode, over a ground of one colour where it is transparent."""
    import PIL.Image

    mode, ground = wanted
    check()
    upright = _upright(image)
    check()
    known = _eight_bits(upright, image.format or "", name)
    try:
        if known.has_transparency_data:
            clear = known.convert("RGBA")
            check()
            known = PIL.Image.alpha_composite(PIL.Image.new("RGBA", clear.size, ground), clear)
        check()
        return known.convert(mode)
    except ValueError as error:
        raise _refused(name, f"its mode is {known.mode} ({error})") from error


def _is_turned(image: Image) -> bool:
    """Whether a picture is to be turned as its file says.

    Only what a file was opened to: what was made of it, such as turned by hand, still has the file's EXIF and is used
    as it stands.
    """
    from PIL.ImageFile import ImageFile

    return isinstance(image, ImageFile) and image.format != "TIFF"  # Pillow turns TIFF by itself


def _upright(image: Image) -> Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image) if _is_turned(image) else image


def _upright_size(image: Image) -> tuple[int, int]:
    sideways = _is_turned(image) and image.getexif().get(_ORIENTATION) in _SIDEWAYS
    return (image.height, image.width) if sideways else image.size


def _is_sixteen_bits(image: Image, kind: str) -> bool:
    return image.mode.startswith("I;16") or (image.mode == "I" and kind in _SIXTEEN_BITS)


def _check_mode(image: Image, kind: str, name: str) -> None:
    """Raises for floating-point numbers, and for whole ones of 32 bits: nobody says which of them is white."""
    if image.mode == "F" or (image.mode.startswith("I") and not _is_sixteen_bits(image, kind)):
        kinds = "floating-point numbers" if image.mode == "F" else "whole numbers of 32 bits"
        raise _refused(name, f"it holds {kinds} (mode {image.mode}), and nothing says which of them is white")


def _eight_bits(image: Image, kind: str, name: str) -> Image:
    """A picture of eight bits; those of sixteen are scaled, not cut off.

    Raises:
        NameNotFoundError: See `_check_mode`.
    """
    import numpy as np
    import PIL.Image

    _check_mode(image, kind, name)
    if _is_sixteen_bits(image, kind):
        return PIL.Image.fromarray(eight_bits(np.asarray(image).clip(0, 65535).astype(np.uint16)))
    return image


def _refused(name: str, reason: str) -> NameNotFoundError:
    return NameNotFoundError(
        f"{name} cannot be used as a picture: {reason}. Bring its values to 0 to 255 and save it as an RGB or grey "
        "PNG.",
        name=name,
    )
