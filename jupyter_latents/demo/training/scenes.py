"""Landscapes drawn by rule: what the demo models learn from.

A `Scene` names a time of day, a land, clouds, a light in the sky and a seed for the layout; `draw` paints it
in one of two styles, always with the same layout: ``scenes`` is soft and painted, ``paper`` is cut paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_latents.demo.training.land import LAND_LAYERS
from jupyter_latents.demo.training.layers import SIZE, Layer, X, Y, disc, polygon, star
from jupyter_latents.demo.training.palette import BOLT, SKIES, Sky, lit, mix

TIMES = ("day", "sunset", "night", "dawn", "storm")
LANDS = ("mountains", "hills", "desert", "sea", "snow", "forest")
CLOUDS = ("none", "few", "many")
LIGHTS: dict[str, tuple[str, ...]] = {
    "day": ("sun", "none"),
    "sunset": ("sun", "none"),
    "night": ("moon", "none"),
    "dawn": ("sun", "none"),
    "storm": ("none",),
}
STYLES = ("scenes", "paper")
_HEIGHTS = {"day": (16, 40), "sunset": (44, 62), "night": (18, 44), "dawn": (40, 58), "storm": (20, 40)}


@dataclass(frozen=True)
class Scene:
    """A landscape to draw.

    Attributes:
        time: one of `TIMES`.
        land: one of `LANDS`.
        clouds: one of `CLOUDS`.
        light: ``sun``, ``moon`` or ``none``, whichever `LIGHTS` allows at that time.
        seed: fixes where everything stands.
    """

    time: str
    land: str
    clouds: str
    light: str
    seed: int = 0

    def __post_init__(self) -> None:
        """Reject what cannot be drawn."""
        if self.time not in TIMES:
            raise ValueError(f"no time of day is called {self.time!r}: choose one of {', '.join(TIMES)}")
        allowed = {"land": LANDS, "clouds": CLOUDS, "light": LIGHTS[self.time]}
        for field, names in allowed.items():
            if getattr(self, field) not in names:
                given = getattr(self, field)
                raise ValueError(f"no {field} {given!r} at {self.time}: choose one of {', '.join(names)}")


def combinations() -> Iterator[tuple[str, str, str, str]]:
    """Yield every (time, land, clouds, light) that a `Scene` takes."""
    for time in TIMES:
        for land in LANDS:
            for clouds in CLOUDS:
                for light in LIGHTS[time]:
                    yield time, land, clouds, light


def random_scene(rng: np.random.Generator) -> Scene:
    """Return a scene, its parts even over times and lands; two in three have their light in the sky."""
    time, land, clouds = (str(rng.choice(names)) for names in (TIMES, LANDS, CLOUDS))
    lights = LIGHTS[time]
    light = lights[0] if rng.uniform() < 2 / 3 else lights[-1]
    return Scene(time, land, clouds, light, int(rng.integers(2**31)))


def draw(scene: Scene, style: str = "scenes") -> NDArray[np.uint8]:
    """Return `scene` as a picture (128, 128, 3), red, green, blue from 0 to 255.

    Raises:
        ValueError: `style` is not one of `STYLES`.
    """
    if style not in STYLES:
        raise ValueError(f"no style is called {style!r}: choose one of {', '.join(STYLES)}")
    from jupyter_latents.demo.training.styles import cut, paint

    sky = SKIES[scene.time]
    above = np.random.default_rng([scene.seed, 1])
    place = (float(above.uniform(22, 106)), float(above.uniform(*_HEIGHTS[scene.time])))
    sheets = _sky_layers(scene, sky, place, above)
    sheets += LAND_LAYERS[scene.land](np.random.default_rng([scene.seed, 2]), sky)
    if scene.land == "sea" and scene.light != "none":
        sheets.insert(-2, _glitter(sky, place[0]))
    picture = paint(sheets, sky) if style == "scenes" else cut(sheets, sky, place)
    drawn: NDArray[np.uint8] = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    return drawn


def _sky_layers(scene: Scene, sky: Sky, place: tuple[float, float], rng: np.random.Generator) -> list[Layer]:
    x, y = place
    sheets: list[Layer] = []
    radius = float(rng.uniform(10, 13.5))
    if scene.time == "night":
        sheets += _stars(rng, place if scene.light == "moon" else (-99.0, -99.0))
    if scene.light != "none":
        sheets += _glow(sky, x, y, radius)
        shape = disc(x, y, radius)
        if scene.light == "moon" and rng.uniform() < 0.5:
            shape = np.clip(shape - disc(x + radius * 0.55, y - radius * 0.25, radius * 0.88), 0, 1)
        sheets.append(Layer(shape, np.asarray(sky.light, np.float32), lift=1))
    if scene.time == "storm" and rng.uniform() < 0.7:
        sheets.append(_bolt(rng))
    count = {"none": 0, "few": int(rng.integers(1, 3)), "many": int(rng.integers(4, 6))}[scene.clouds]
    sheets += [layer for number in range(count) for layer in _cloud(rng, sky, number, count)]
    return sheets


def _stars(rng: np.random.Generator, away: tuple[float, float]) -> list[Layer]:
    cover = np.zeros((SIZE, SIZE), np.float32)
    for _ in range(int(rng.integers(7, 11))):
        x, y, radius = rng.uniform(5, 123), rng.uniform(5, 60), rng.uniform(4.0, 6.0)
        if np.hypot(x - away[0], y - away[1]) > 20:
            cover = np.maximum(cover, star(x, y, radius))
    return [Layer(cover, np.asarray((250, 246, 220), np.float32))]


def _glow(sky: Sky, x: float, y: float, radius: float) -> list[Layer]:
    distance = np.hypot(X - np.float32(x), Y - np.float32(y))
    near = 0.55 * np.clip(1 - distance / np.float32(radius * 3.2), 0, 1) ** 2
    return [Layer(near.astype(np.float32), np.asarray(sky.light, np.float32), soft=True)]


def _bolt(rng: np.random.Generator) -> Layer:
    x, y, lean = rng.uniform(30, 98), rng.uniform(14, 24), rng.choice((-1, 1))
    cover = np.zeros((SIZE, SIZE), np.float32)
    upper = [(x - 4, y), (x + 4, y), (x + lean * 6 + 3, y + 26), (x + lean * 6 - 4, y + 26)]
    knee, tip = x + lean * 2, x + lean * 11
    lower = [(knee - 4, y + 22), (knee + 5, y + 22), (tip + 1, y + 58), (tip - 1, y + 58)]
    for part in (upper, lower):
        cover = np.maximum(cover, polygon(part))
    return Layer(cover, np.asarray(BOLT, np.float32), lift=1)


def _cloud(rng: np.random.Generator, sky: Sky, number: int, count: int) -> list[Layer]:
    x = (number + 0.5) * SIZE / count + rng.uniform(-14, 14)
    y, size = rng.uniform(14, 52), rng.uniform(0.8, 1.25)
    cover = np.zeros((SIZE, SIZE), np.float32)
    for along, up, radius in ((-14, 0, 6.5), (-5, 5, 9.5), (6, 4, 8.5), (14, 0, 6.5)):
        part = disc(x + along * size, y - up * size + rng.uniform(-1, 1), radius * size * rng.uniform(0.9, 1.1))
        cover = np.maximum(cover, part)
    cover = cover * np.clip(y + 4.5 * size - Y + 0.5, 0, 1)
    fall = np.clip((Y - (y - 8 * size)) / np.float32(13 * size), 0, 1)
    whole = Layer(cover, np.asarray(sky.cloud, np.float32), lift=1)
    base = Layer((cover * fall * 0.9).astype(np.float32), np.asarray(sky.cloud_base, np.float32), soft=True)
    return [whole, base]


def _glitter(sky: Sky, x: float) -> Layer:
    spread = 5 + (Y - 76) * 0.16
    column = np.clip(1 - np.abs(X - np.float32(x)) / spread, 0, 1) * (Y > 78)
    ripple = 0.65 + 0.35 * np.sin(Y * 0.8)
    colour = mix(sky.light, lit((255, 255, 255), sky, 0), 0.1)
    return Layer((column * ripple * 0.8).astype(np.float32), colour, soft=True)
