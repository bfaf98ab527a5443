"""Arrays and tensors as pictures: (height, width) or (height, width, channels) of whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import NameNotFoundError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

__all__ = ["check_numbers", "eight_bits", "is_pixels", "picture_of"]

_PIXELS = ("uint8", "uint16", "bool")
_COLOURS = (3, 4)
_LATENT = (4, 16, 128)  # channels of latents


def _dtype(value: Any) -> str:
    dtype = getattr(value, "dtype", "")
    return str(getattr(dtype, "name", dtype)).removeprefix("torch.")


def is_pixels(value: Any) -> bool:
    """Whether a value is an array or tensor of the numbers that pictures are made of."""
    return _dtype(value) in _PIXELS and hasattr(value, "shape")


def check_numbers(value: Any, name: str) -> None:
    """Refuses an array or tensor that is shaped as a picture, or several, and holds other numbers than pictures do.

    Args:
        value: Anything.
        name: What the script calls it.

    Raises:
        NameNotFoundError: It is one.
    """
    shape, dtype = tuple(getattr(value, "shape", ())), _dtype(value)
    if not dtype or dtype in _PIXELS or not _is_picture_shape(shape):
        return
    several = " Give several pictures as a list of these." if len(shape) == 4 else ""
    if "float" in dtype:
        raise NameNotFoundError(
            f"{name} is shaped as a picture, {shape}, and holds {dtype}: nothing says which number is white. "
            f"Give whole numbers of 0 to 255, for values of 0 to 1 (255 * x).round() as uint8.{several}",
            name=name,
        )
    raise NameNotFoundError(
        f"{name} is shaped as a picture, {shape}, and holds {dtype}; pictures hold uint8, 0 to 255, or uint16, 0 to "
        f"65535: give it as one of these.{several}",
        name=name,
    )


def _is_picture_shape(shape: tuple[int, ...]) -> bool:
    """Whether numbers of this shape are a picture, or several, rather than latents."""
    if len(shape) == 2:
        return True
    if len(shape) not in (3, 4) or 0 in shape:
        return False
    first, last = shape[-3], shape[-1]
    return first not in _LATENT and (first in (1, 3) or last in (1, *_COLOURS))


def eight_bits(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Numbers of 0 to 255: of 16 bits scaled and rounded, of truth black and white."""
    import numpy as np

    if values.dtype == np.uint16:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return values.astype(np.uint8) * 255 if values.dtype == np.bool_ else values


def picture_of(value: Any, name: str) -> Image:
    """The PIL picture of an array or tensor.

    Args:
        value: Whole numbers of 8 or 16 bits, or truth values, shape (height, width), (height, width, channels) or
            (channels, height, width), with 1 to 4 channels: grey, grey and alpha, colours, colours and alpha.
        name: What the script calls it.

    Raises:
        NameNotFoundError: It has another shape.
    """
    import numpy as np
    from PIL import Image

    is_tensor = hasattr(value, "detach")
    try:
        values = np.asarray(value.detach().cpu() if is_tensor else value)
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise NameNotFoundError(
            f"{name} is a sparse or empty-shell tensor; a picture has a number for each place. Give {name}.to_dense().",
            name=name,
        ) from error
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.ndim == 3 and values.shape[0] in (1, *_COLOURS) and values.shape[-1] not in _last(values, is_tensor):
        values = np.moveaxis(values, 0, -1)
    channels = values.shape[-1] if values.ndim == 3 else 1
    if values.ndim not in (2, 3) or channels > 4 or 0 in values.shape:
        several = " Give several pictures as a list." if values.ndim == 4 and _is_picture_shape(values.shape) else ""
        raise NameNotFoundError(
            f"{name} is an array of shape {tuple(values.shape)}; a picture is (height, width) or (height, width, "
            f"3).{several}",
            name=name,
        )
    flat = values[..., 0] if values.ndim == 3 and channels == 1 else values
    return Image.fromarray(np.ascontiguousarray(eight_bits(flat)))


def _last(values: np.ndarray[Any, Any], is_tensor: bool) -> tuple[int, ...]:
    """Lengths of a last axis that is the channels': tensors mostly have them in front, arrays at the end."""
    return (3,) if is_tensor and values.shape[0] != 1 else (1, 2, *_COLOURS)
