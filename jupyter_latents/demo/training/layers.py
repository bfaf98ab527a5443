"""Shapes of the demo landscapes: every scene is a stack of layers, each a coverage and a colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jupyter_latents.demo.training.palette import Array

SIZE = 128
Y, X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
COLUMNS = np.arange(SIZE, dtype=np.float32)
Point = tuple[float, float]


@dataclass(frozen=True)
class Layer:
    """One sheet of a landscape.

    Attributes:
        coverage: (128, 128), 0 where the sheet is not, 1 where it is.
        colour: (3,), from 0 to 255.
        shade: (128, 128) brightness factor of the painted style, or None for even light.
        lift: where the shadow of the paper style falls: -1 above the edge, 1 below, 0 no shadow.
        soft: drawn only by the painted style (glows, reflections).
    """

    coverage: Array
    colour: Array
    shade: Array | None = None
    lift: int = 0
    soft: bool = False


def _window(left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
    """Return the rows and columns around a shape, so that only these are computed."""
    rows = slice(max(int(top) - 1, 0), max(min(int(bottom) + 2, SIZE), 0))
    return rows, slice(max(int(left) - 1, 0), max(min(int(right) + 2, SIZE), 0))


def disc(x: float, y: float, radius: float) -> Array:
    """Return the coverage (128, 128) of a disc with a smooth rim."""
    part = _window(x - radius - 1, y - radius - 1, x + radius + 1, y + radius + 1)
    cover = np.zeros((SIZE, SIZE), np.float32)
    distance: Array = np.hypot(X[part] - np.float32(x), Y[part] - np.float32(y))
    cover[part] = np.clip(np.float32(radius) + 0.5 - distance, 0, 1)
    return cover


def box(left: float, top: float, right: float, bottom: float) -> Array:
    """Return the coverage (128, 128) of an upright rectangle."""
    across = np.clip(np.minimum(COLUMNS - left, right - COLUMNS) + 0.5, 0, 1)
    down = np.clip(np.minimum(COLUMNS - top, bottom - COLUMNS) + 0.5, 0, 1)
    cover: Array = (down[:, None] * across[None, :]).astype(np.float32)
    return cover


def below(profile: Array) -> Array:
    """Return the coverage (128, 128) of all that lies below a skyline `profile` (128,) of heights in pixels."""
    cover: Array = np.clip(Y - profile[None, :] + 0.5, 0, 1).astype(np.float32)
    return cover


def polygon(points: Sequence[Point]) -> Array:
    """Return the coverage (128, 128) of a convex polygon, its corners given clockwise on the screen."""
    across, down = [x for x, _ in points], [y for _, y in points]
    part = _window(min(across) - 1, min(down) - 1, max(across) + 1, max(down) + 1)
    cover = np.zeros((SIZE, SIZE), np.float32)
    xs, ys = X[part], Y[part]
    inside = np.full(xs.shape, 9.0, np.float32)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        length = max(float(np.hypot(x1 - x0, y1 - y0)), 1e-6)
        inside = np.minimum(inside, ((x1 - x0) * (ys - y0) - (y1 - y0) * (xs - x0)) / length)
    cover[part] = np.clip(inside + 0.5, 0, 1)
    return cover


def rolling(rng: np.random.Generator, level: float, swing: float, waves: float) -> Array:
    """Return a smooth skyline (128,) around `level`, of about `waves` hills across the picture."""
    line = np.zeros(SIZE, np.float32)
    for octave, share in ((1.0, 0.7), (1.9, 0.3)):
        turn = COLUMNS / SIZE * 2 * np.pi * waves * octave * rng.uniform(0.8, 1.2)
        line += np.sin(turn + rng.uniform(0, 2 * np.pi)).astype(np.float32) * share
    return np.float32(level) + line * np.float32(swing)


def ridge(rng: np.random.Generator, level: float, height: float, peaks: int) -> tuple[Array, Array]:
    """Return a jagged skyline (128,) and its slope (128,): -1 where the lit faces rise, 1 where they fall."""
    xs, ys = [-30.0], [level]
    for number in range(peaks):
        middle = (number + 0.5) * SIZE / peaks + rng.uniform(-0.22, 0.22) * SIZE / peaks
        xs.append(middle)
        ys.append(level - height * rng.uniform(0.65, 1.0))
        xs.append(middle + SIZE / peaks * 0.5 + rng.uniform(-3, 3))
        ys.append(level - height * rng.uniform(0.05, 0.25))
    xs.append(SIZE + 40.0)
    ys.append(level)
    line = np.interp(COLUMNS, xs, ys).astype(np.float32)
    slope = np.sign(np.gradient(line)).astype(np.float32)
    return line, slope


def spires(rng: np.random.Generator, level: float, height: float, spacing: float) -> Array:
    """Return the skyline (128,) of a row of conifers standing on `level`."""
    line = np.full(SIZE, level, np.float32)
    place = -rng.uniform(0, spacing)
    while place < SIZE + spacing:
        tall = height * rng.uniform(0.6, 1.0)
        steep = tall / (spacing * rng.uniform(0.62, 0.8))
        line = np.minimum(line, np.float32(level - tall) + np.abs(COLUMNS - np.float32(place)) * np.float32(steep))
        place += spacing * rng.uniform(0.75, 1.1)
    return line.astype(np.float32)


def star(x: float, y: float, radius: float) -> Array:
    """Return the coverage (128, 128) of a small four-pointed star."""
    part = _window(x - 1.6 * radius - 1, y - 1.6 * radius - 1, x + 1.6 * radius + 1, y + 1.6 * radius + 1)
    cover = np.zeros((SIZE, SIZE), np.float32)
    reach = np.sqrt(np.abs(X[part] - np.float32(x))) + np.sqrt(np.abs(Y[part] - np.float32(y)))
    cover[part] = np.clip((np.sqrt(np.float32(radius)) * 1.25 - reach) * 1.6, 0, 1)
    return cover
