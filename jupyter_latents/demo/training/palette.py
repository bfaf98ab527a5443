"""Colours of the demo landscapes, as red, green, blue from 0 to 255: data, and the little that mixes them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Sky:
    """What a time of day does to colours.

    Attributes:
        top, middle, horizon: colours of the sky from above down.
        light: colour of the sun's or moon's disc.
        cloud, cloud_base: colours of a cloud's upper and lower part.
        ambient: factor that land colours are multiplied by, per channel.
        haze: how much of the horizon's colour lies over the farthest land, from 0 to 1.
    """

    top: Colour
    middle: Colour
    horizon: Colour
    light: Colour
    cloud: Colour
    cloud_base: Colour
    ambient: Colour
    haze: float


SKIES: dict[str, Sky] = {
    "day": Sky(
        (44, 122, 214),
        (104, 178, 240),
        (206, 236, 250),
        (255, 232, 110),
        (255, 255, 255),
        (206, 224, 242),
        (1, 1, 1),
        0.40,
    ),
    "sunset": Sky(
        (74, 44, 116),
        (226, 84, 84),
        (255, 188, 84),
        (255, 226, 130),
        (255, 150, 120),
        (178, 74, 112),
        (0.74, 0.44, 0.46),
        0.42,
    ),
    "night": Sky(
        (8, 12, 42),
        (20, 32, 84),
        (50, 68, 130),
        (250, 246, 214),
        (66, 76, 124),
        (38, 46, 90),
        (0.24, 0.30, 0.50),
        0.40,
    ),
    "dawn": Sky(
        (134, 160, 220),
        (232, 186, 214),
        (255, 232, 208),
        (255, 250, 222),
        (255, 226, 228),
        (214, 178, 208),
        (0.86, 0.74, 0.86),
        0.62,
    ),
    "storm": Sky(
        (44, 50, 58),
        (78, 88, 96),
        (140, 150, 150),
        (255, 250, 190),
        (84, 92, 102),
        (52, 58, 68),
        (0.46, 0.52, 0.54),
        0.40,
    ),
}

# from the farthest layer to the nearest
LANDS: dict[str, tuple[Colour, ...]] = {
    "mountains": ((128, 146, 186), (98, 112, 148), (84, 134, 82)),
    "hills": ((150, 196, 120), (108, 172, 84), (72, 136, 60)),
    "desert": ((240, 204, 138), (230, 176, 100), (204, 142, 76)),
    "sea": ((58, 138, 190), (38, 110, 168), (26, 86, 142)),
    "snow": ((204, 220, 240), (226, 236, 248), (248, 251, 255)),
    "forest": ((92, 146, 104), (54, 112, 72), (26, 76, 50)),
}

SNOW: Colour = (248, 250, 255)
PINE: Colour = (40, 92, 72)
CACTUS: Colour = (70, 128, 70)
SAIL: Colour = (255, 252, 244)
HULL: Colour = (150, 70, 52)
BOLT: Colour = (255, 248, 170)


def mix(first: Colour | Array, second: Colour | Array, share: float) -> Array:
    """Return `first` with `share` (0 to 1) of `second` in it."""
    a, b = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return a + (b - a) * np.float32(share)


def lit(colour: Colour, sky: Sky, distance: float) -> Array:
    """Return a land colour as it looks under `sky`, at a distance from 0 (near) to 1 (far)."""
    shaded = np.asarray(colour, np.float32) * np.asarray(sky.ambient, np.float32)
    return mix(shaded, sky.horizon, sky.haze * distance)


def glint(sky: Sky) -> Sky:
    """Return `sky` with brighter ambient light: snow throws back more of what little there is."""
    red, green, blue = (value + 0.34 * (1 - value) for value in sky.ambient)
    return replace(sky, ambient=(red, green, blue))
