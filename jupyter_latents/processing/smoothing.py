"""Pictures smoothed and spread as OpenCV does it: Gaussian blur, dilation, and lines found by what blur takes away."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

__all__ = ["dilated", "element", "line_art", "smoothed"]

Array: TypeAlias = "np.ndarray[Any, Any]"

_BITS = 8  # of a weight's fraction, for pixels of 8 bits
_SMALL = {
    3: (0.25, 0.5, 0.25),
    5: (0.0625, 0.25, 0.375, 0.25, 0.0625),
    7: (0.03125, 0.109375, 0.21875, 0.28125, 0.21875, 0.109375, 0.03125),
    9: (0.015625, 0.05078125, 0.1171875, 0.19921875, 0.234375, 0.19921875, 0.1171875, 0.05078125, 0.015625),
}
"""The weights of small kernels without a sigma of their own, as `getGaussianKernelBitExact` has them."""


def _bell(width: int, sigma: float) -> list[float]:
    """The weights of a Gaussian kernel; where `sigma` is 0, that of its width."""
    if sigma <= 0 and width in _SMALL:
        return list(_SMALL[width])
    sigma = sigma if sigma > 0 else width * 0.15 + 0.35
    heights = [math.exp(-0.125 * (2 * place + 1 - width) ** 2 / sigma**2) for place in range(width)]
    return [height / sum(heights) for height in heights]


def _weights(width: int, sigma: float) -> list[int]:
    """The same in 256ths that sum to 256; what rounding takes from one goes to the next, as in OpenCV."""
    half, left, error = width // 2, [], 0.0
    for weight in _bell(width, sigma)[:half]:
        wanted = weight * (1 << _BITS) + error
        left.append(round(wanted))
        error = wanted - left[-1]
    return [*left, (1 << _BITS) - 2 * sum(left), *reversed(left)]


def smoothed(pixels: Array, size: tuple[int, int], sigma: tuple[float, float] = (0.0, 0.0)) -> Array:
    """Pixels smoothed by a Gaussian, mirrored at the sides; bit for bit ``cv2.GaussianBlur`` of 8-bit pixels.

    Args:
        pixels: (height, width, channels) of 8 bits.
        size: (width, height) of the kernel, odd.
        sigma: Standard deviation in pixels across and down; 0 for that of the kernel, down for that across.
    """
    from scipy.ndimage import correlate1d

    wide = correlate1d(pixels.astype("int64"), _weights(size[0], sigma[0]), axis=1, mode="mirror")
    wide = correlate1d(wide, _weights(size[1], sigma[1] or sigma[0]), axis=0, mode="mirror")
    made: Array = ((wide + (1 << (2 * _BITS - 1))) >> (2 * _BITS)).clip(0, 255).astype("uint8")
    return made


def element(size: tuple[int, int], shape: str) -> Array:
    """The neighbours that spread into a pixel, true on false, (height, width): a rectangle, an ellipse or a cross."""
    import numpy as np

    width, height = size
    if shape == "rectangle":
        return np.ones((height, width), bool)
    made = np.zeros((height, width), bool)
    if shape == "cross":
        made[height // 2], made[:, width // 2] = True, True
        return made
    down, across = height // 2, width // 2
    for row in range(height):
        reach = round(across * math.sqrt((down**2 - (row - down) ** 2) / down**2)) if down else 0
        made[row, max(across - reach, 0) : across + reach + 1] = True
    return made


def dilated(pixels: Array, neighbours: Array, steps: int = 1) -> Array:
    """Pixels each of which is the brightest of its neighbours, so often; as ``cv2.dilate``.

    Args:
        pixels: (height, width, channels) of 8 bits.
        neighbours: See `element`.
        steps: How often.
    """
    from scipy.ndimage import maximum_filter

    for _ in range(steps):
        pixels = maximum_filter(pixels, footprint=neighbours[..., None], mode="constant", cval=0)
    return pixels


def line_art(pixels: Array, sigma: float, threshold: float) -> Array:
    """Dark lines, white on black, (height, width): how much darker than its surroundings a pixel is.

    Args:
        pixels: (height, width, 3) of 8 bits.
        sigma: Standard deviation in pixels of the surroundings.
        threshold: How much darker pixels are that tell how strong lines are.
    """
    import numpy as np
    from scipy.ndimage import correlate1d

    wide = pixels.astype("float32")
    width = round(sigma * 8 + 1) | 1
    bell = _bell(width, sigma) if sigma > 0 else [1.0]
    around = correlate1d(correlate1d(wide, bell, axis=1, mode="mirror"), bell, axis=0, mode="mirror")
    found = (around - wide).min(axis=2).clip(0, 255)
    strong = found[found > threshold]
    found *= np.float32(127 / max(16.0, float(np.median(strong)) if strong.size else 0.0))
    made: Array = found.clip(0, 255).astype("uint8")
    return made
