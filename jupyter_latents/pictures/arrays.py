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
    return str(getattr(value, "dtype", "")).removeprefix("torch.")


def is_pixels(value: Any) -> bool:
    """Whether a value is an array or tensor of the numbers that pictures are made of."""
    return _dtype(value) in _PIXELS and hasattr(value, "shape")


def check_numbers(value: Any, name: str) -> None:
    """Refuses an array or tensor that is shaped as a picture and holds floating-point or too large whole numbers.

    Args:
        value: Anything.
        name: What the script calls it.

    Raises:
        NameNotFoundError: It is one.
    """
    shape = tuple(getattr(value, "shape", ()))
    like = len(shape) == 2 or (len(shape) == 3 and (shape[-1] in _COLOURS or shape[0] == 3) and shape[0] not in _LATENT)
    if like and "int" in _dtype(value) and not is_pixels(value):
        raise NameNotFoundError(
            f"{name} is shaped as a picture, {shape}, and holds {_dtype(value)}; pictures hold uint8, 0 to 255, or "
            "uint16, 0 to 65535.",
            name=name,
        )
    if like and "float" in _dtype(value):
        raise NameNotFoundError(
            f"{name} is shaped as a picture, {shape}, and holds {_dtype(value)}: nothing says which number is white. "
            "Give whole numbers of 0 to 255, for values of 0 to 1 (255 * x).round() as uint8.",
            name=name,
        )


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
    values = np.asarray(value.detach().cpu() if is_tensor else value)
    if values.ndim == 3 and values.shape[0] in (1, *_COLOURS) and values.shape[-1] not in _last(values, is_tensor):
        values = np.moveaxis(values, 0, -1)
    channels = values.shape[-1] if values.ndim == 3 else 1
    if values.ndim not in (2, 3) or channels > 4 or 0 in values.shape:
        raise NameNotFoundError(
            f"{name} is an array of shape {tuple(values.shape)}; a picture is (height, width) or (height, width, 3). "
            "Give several pictures as a list.",
            name=name,
        )
    flat = values[..., 0] if values.ndim == 3 and channels == 1 else values
    return Image.fromarray(np.ascontiguousarray(eight_bits(flat)))


def _last(values: np.ndarray[Any, Any], is_tensor: bool) -> tuple[int, ...]:
    """Lengths of a last axis that is the channels': tensors mostly have them in front, arrays at the end."""
    return (3,) if is_tensor and values.shape[0] != 1 else (1, 2, *_COLOURS)
