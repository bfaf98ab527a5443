"""Canny's edges as OpenCV finds them, bit for bit, of whole numbers: J. Canny, 1986, with Sobel's gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

__all__ = ["blurred", "edges", "grey", "otsu", "triangle"]

Array: TypeAlias = "np.ndarray[Any, Any]"

_SMOOTH = {3: (1, 2, 1), 5: (1, 4, 6, 4, 1), 7: (1, 6, 15, 20, 15, 6, 1)}
_SLOPE = {3: (-1, 0, 1), 5: (-1, -2, 0, 2, 1), 7: (-1, -4, -5, 0, 5, 4, 1)}
_NONE = 1.1920929e-07  # a share of the pixels that is none: single precision
_TANGENT = 13573  # of 22.5 degrees, times 2 to the 15th


def grey(pixels: Array) -> Array:
    """Colours (height, width, 3) as one channel (height, width), by ITU-R BT.601 in whole numbers."""
    red, green, blue = (pixels[..., channel].astype("int64") for channel in range(3))
    made: Array = ((red * 9798 + green * 19235 + blue * 3735 + (1 << 14)) >> 15).astype("uint8")
    return made


def blurred(pixels: Array) -> Array:
    """Pixels smoothed by 3 x 3 pixels: a quarter, a half and a quarter both ways, mirrored at the sides."""
    from scipy.ndimage import correlate1d

    wide = pixels.astype("int64")
    for axis in (0, 1):
        wide = correlate1d(wide, (1, 2, 1), axis=axis, mode="mirror")
    return ((wide + 8) >> 4).astype("uint8")


def otsu(pixels: Array) -> int:
    """The level of 8-bit pixels (height, width) that parts them best: N. Otsu, 1979, as OpenCV counts it."""
    import numpy as np

    shares = np.bincount(pixels.ravel(), minlength=256) / pixels.size
    whole, below, mean, best, found = float((np.arange(256) * shares).sum()), 0.0, 0.0, 0.0, 0
    for level, share in enumerate(shares):
        mean *= below
        below += float(share)
        above = 1.0 - below
        if min(below, above) < _NONE or max(below, above) > 1.0 - _NONE:
            continue
        mean = (mean + level * float(share)) / below
        apart = below * above * (mean - (whole - below * mean) / above) ** 2
        if apart > best:
            best, found = apart, level
    return found


def triangle(pixels: Array) -> int:
    """The level farthest below the line from the peak to the longer tail: G. Zack and others, 1977, as in OpenCV."""
    import numpy as np

    counts = np.bincount(pixels.ravel(), minlength=256)
    (there,) = np.nonzero(counts)
    left, right, peak = max(0, int(there[0]) - 1), min(255, int(there[-1]) + 1), int(counts.argmax())
    turned = peak - left < right - peak
    if turned:
        counts, left, peak = counts[::-1], 255 - right, 255 - peak
    levels = np.arange(left + 1, peak + 1)
    away = int(counts[peak]) * levels + (left - peak) * counts[left + 1 : peak + 1]
    found = int(levels[away.argmax()]) - 1 if away.size and away.max() > 0 else left - 1
    return 255 - found if turned else found


def edges(pixels: Array, lower: float, upper: float, *, aperture: int = 3, squares: bool = False) -> Array:
    """The edges of a picture, 255 on 0.

    Args:
        pixels: (height, width) or (height, width, channels) of 8 bits; of several channels the steepest decides.
        lower: Slopes up to this are no edges.
        upper: Slopes above this are; what lies between is one where it touches one.
        aperture: Pixels of Sobel's kernel across: 3, 5 or 7.
        squares: Whether a slope's length is Euclid's; else it is the sum of its two parts.

    Returns:
        (height, width) of 8 bits.
    """
    import numpy as np
    from scipy.ndimage import label

    across, down = _gradients(pixels if pixels.ndim == 3 else pixels[..., None], aperture)
    low, high = sorted((lower, upper))
    if aperture == 7:
        low, high = low / 16.0, high / 16.0
    if squares:
        low, high = (min(32767.0, level) ** 2 if level > 0 else level for level in (low, high))
    length = across**2 + down**2 if squares else abs(across) + abs(down)
    chosen = length.argmax(axis=-1)[..., None]
    across, down, length = (np.take_along_axis(values, chosen, -1)[..., 0] for values in (across, down, length))
    ridge = _ridges(across, down, length) & (length > int(np.floor(low)))
    regions, _count = label(ridge, structure=np.ones((3, 3), dtype=int))
    strong = np.unique(regions[ridge & (length > int(np.floor(high)))])
    return np.where(np.isin(regions, strong[strong > 0]), 255, 0).astype("uint8")


def _gradients(pixels: Array, aperture: int) -> tuple[Array, Array]:
    """Slopes to the right and down of each channel; the pixels at the sides go on outside."""
    import numpy as np
    from scipy.ndimage import correlate1d

    found = []
    for axis in (1, 0):
        steep = correlate1d(pixels.astype("int64"), _SLOPE[aperture], axis=axis, mode="nearest")
        both = correlate1d(steep, _SMOOTH[aperture], axis=1 - axis, mode="nearest")
        found.append(np.rint(both / 16).astype("int64") if aperture == 7 else both)
    return found[0], found[1]


def _ridges(across: Array, down: Array, length: Array) -> Array:
    """Where a slope is longer than those before and behind it, in the nearest of four directions."""
    import numpy as np

    padded = np.pad(length, 1)
    rows, columns = length.shape

    def beside(row: int, column: int) -> Array:
        return padded[1 + row : 1 + row + rows, 1 + column : 1 + column + columns]

    flat, steep = abs(across) * _TANGENT, abs(down) * 2**15
    level = steep < flat
    upright = ~level & (steep > flat + abs(across) * 2**16)
    rising = (across ^ down) < 0
    falling = np.where(rising, beside(-1, 1), beside(-1, -1)), np.where(rising, beside(1, -1), beside(1, 1))
    horizontal = (length > beside(0, -1)) & (length >= beside(0, 1))
    vertical = (length > beside(-1, 0)) & (length >= beside(1, 0))
    slanted = (length > falling[0]) & (length > falling[1])
    return np.where(level, horizontal, np.where(upright, vertical, slanted))
