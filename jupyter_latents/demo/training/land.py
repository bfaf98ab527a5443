"""The land of a demo landscape: one function a land, each returning layers from the farthest to the nearest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jupyter_latents.demo.training.layers import (
    COLUMNS,
    SIZE,
    Layer,
    X,
    Y,
    below,
    box,
    disc,
    polygon,
    ridge,
    rolling,
    spires,
)
from jupyter_latents.demo.training.palette import CACTUS, HULL, LANDS, PINE, SAIL, SNOW, Array, Sky, glint, lit, mix

Rng = np.random.Generator


def _depth(profile: Array, reach: float = 60.0, drop: float = 0.22) -> Array:
    """Return a shade (128, 128) that darkens with the depth below a skyline."""
    shade: Array = 1.0 - np.float32(drop) * np.clip((Y - profile[None, :]) / np.float32(reach), 0, 1)
    return shade


def _crest(profile: Array, reach: float = 14.0) -> Array:
    """Return a shade (128, 128) that is lighter along a skyline."""
    shade: Array = _depth(profile) + 0.10 * np.clip(1 - (Y - profile[None, :]) / np.float32(reach), 0, 1)
    return shade


def _pine(x: float, foot: float, tall: float, colour: Array, snow: Array | None = None) -> list[Layer]:
    """Return a conifer of three tiers whose foot is at (x, foot)."""
    cover = box(x - tall * 0.05, foot - tall * 0.15, x + tall * 0.05, foot)
    caps = np.zeros_like(cover)
    for base, top, wide in ((0.10, 0.55, 0.30), (0.34, 0.78, 0.24), (0.58, 1.0, 0.17)):
        low, high, half = foot - tall * base, foot - tall * top, tall * wide
        cover = np.maximum(cover, polygon([(x, high), (x + half, low), (x - half, low)]))
        cut = high + (low - high) * 0.5
        caps = np.maximum(caps, polygon([(x, high), (x + half * 0.5, cut), (x - half * 0.5, cut)]))
    tree = [Layer(cover, colour, lift=1)]
    return tree if snow is None else [*tree, Layer(caps, snow)]


def mountains(rng: Rng, sky: Sky) -> list[Layer]:
    """Return jagged mountains with snow caps over a meadow."""
    sheets = []
    bright = glint(sky)
    for colour, distance, level, height, peaks in (
        (LANDS["mountains"][0], 1.0, 92, rng.uniform(34, 44), 3),
        (LANDS["mountains"][1], 0.45, 104, rng.uniform(44, 56), 2),
    ):
        line, slope = ridge(rng, level, height, peaks)
        cover = below(line)
        face = 1.0 - 0.22 * (slope[None, :] > 0) * np.ones_like(cover)
        sheets.append(Layer(cover, lit(colour, sky, distance), (face * _depth(line, 70, 0.1)).astype(np.float32), -1))
        zigzag = 3.5 * np.abs((COLUMNS / 7 + rng.uniform(0, 2)) % 2 - 1)
        snowline = np.float32(level - height * 0.52) + zigzag.astype(np.float32)
        cap = cover * np.clip(snowline[None, :] - Y + 0.5, 0, 1)
        sheets.append(Layer(cap, lit(SNOW, bright, distance * 0.3), face.astype(np.float32)))
    front = rolling(rng, 106, 4, 0.9)
    sheets.append(Layer(below(front), lit(LANDS["mountains"][2], sky, 0), _crest(front), -1))
    return sheets


def hills(rng: Rng, sky: Sky) -> list[Layer]:
    """Return rolling green hills with round trees."""
    sheets = []
    for number, (level, swing, waves) in enumerate(((80, 7, 1.5), (93, 8, 1.1), (109, 7, 0.8))):
        line = rolling(rng, level, swing, waves)
        sheets.append(Layer(below(line), lit(LANDS["hills"][number], sky, 1 - number / 2), _crest(line), -1))
        if number == 1:
            for _ in range(int(rng.integers(1, 4))):
                x = rng.uniform(10, 118)
                foot = float(line[int(x)]) + 3
                crown = rng.uniform(5.5, 8)
                trunk = box(x - 1.2, foot - 6, x + 1.2, foot + 1)
                sheets.append(Layer(trunk, lit((120, 84, 56), sky, 0.2)))
                round_shade = 1.12 - 0.3 * np.clip((Y - (foot - 5 - 2 * crown)) / (2 * crown), 0, 1)
                sheets.append(Layer(disc(x, foot - 4 - crown, crown), lit((58, 124, 58), sky, 0.2), round_shade, 1))
    return sheets


def desert(rng: Rng, sky: Sky) -> list[Layer]:
    """Return sand dunes with one lee side each, sometimes with cacti."""
    sheets = []
    for number, (level, height) in enumerate(((86, 14), (99, 20), (116, 18))):
        crest = rng.uniform(20, 108) if number else rng.uniform(35, 95)
        rise = np.clip(1 - np.abs(COLUMNS - crest) / np.where(crest > COLUMNS, 90, 62), 0, 1)
        smooth = rise * rise * (3 - 2 * rise)
        line = (level - height * smooth + rolling(rng, 0, 1.2, 1.0)).astype(np.float32)
        bend = crest + (Y - line.min()) * 0.9 + 6 * np.sin((Y - line.min()) / 9)
        lee = 1.0 - 0.20 * np.clip((X - bend) / 3 + 0.5, 0, 1)
        shade = (lee * _depth(line, 60, 0.1)).astype(np.float32)
        sheets.append(Layer(below(line), lit(LANDS["desert"][number], sky, 1 - number / 2), shade, -1))
    green = lit(CACTUS, sky, 0)
    cacti = [(rng.uniform(14, 114), rng.uniform(108, 120), rng.uniform(20, 28)) for _ in range(int(rng.integers(0, 3)))]
    return [*sheets, *(_cactus(x, foot, tall, green) for x, foot, tall in cacti)]


def _cactus(x: float, foot: float, tall: float, colour: Array) -> Layer:
    wide, arm = tall * 0.12, tall * 0.34
    cover = np.maximum(box(x - wide, foot - tall, x + wide, foot), disc(x, foot - tall, wide))
    for side, low in ((-1, 0.42), (1, 0.56)):
        tip, thick = x + side * arm, wide * 0.75
        elbow = foot - tall * low
        reach = box(min(x, tip), elbow - thick, max(x, tip), elbow + thick)
        upper = box(tip - thick, elbow - tall * 0.26, tip + thick, elbow)
        for part in (reach, upper, disc(tip, elbow, thick), disc(tip, elbow - tall * 0.26, thick)):
            cover = np.maximum(cover, part)
    return Layer(cover, colour, lift=1)


def sea(rng: Rng, sky: Sky) -> list[Layer]:
    """Return open water in bands of waves, sometimes with a sailing boat."""
    colours = [mix(lit(colour, sky, 0), sky.middle, 0.28 - 0.09 * n) for n, colour in enumerate(LANDS["sea"])]
    horizon = np.full(SIZE, rng.uniform(72, 80), np.float32)
    sheets = [Layer(below(horizon), colours[0], lift=-1)]
    boat = rng.uniform() < 0.55
    for number, level in ((1, 92.0), (2, 110.0)):
        if boat and number == 1:
            sheets += _boat(rng, sky)
        turn = COLUMNS / SIZE * 2 * np.pi * rng.uniform(3.2, 4.6) + rng.uniform(0, 6)
        wave = (level + 2.6 * np.sin(turn) + rng.uniform(-2, 2)).astype(np.float32)
        sheets.append(Layer(below(wave), colours[number], _crest(wave, 8), -1))
    return sheets


def _boat(rng: Rng, sky: Sky) -> list[Layer]:
    x, y, s = rng.uniform(22, 106), 91.0, rng.uniform(0.9, 1.3)
    hull = polygon([(x - 13 * s, y - 3 * s), (x + 13 * s, y - 3 * s), (x + 8 * s, y + 4 * s), (x - 8 * s, y + 4 * s)])
    main = polygon([(x + 1, y - 27 * s), (x + 11 * s, y - 5 * s), (x + 1, y - 5 * s)])
    jib = polygon([(x - 1, y - 24 * s), (x - 1, y - 5 * s), (x - 9 * s, y - 5 * s)])
    sail = lit(SAIL, sky, 0.15)
    sheets = ((main, sail), (jib, sail * np.float32(0.9)), (hull, lit(HULL, sky, 0)))
    return [Layer(cover, colour, lift=1) for cover, colour in sheets]


def snow(rng: Rng, sky: Sky) -> list[Layer]:
    """Return white fields with snowy conifers."""
    sheets = []
    bright = glint(sky)
    white = lit(SNOW, bright, 0.1)
    for number, (level, swing) in enumerate(((82, 6), (96, 5), (112, 4))):
        line = rolling(rng, level, swing, 1.2 - 0.2 * number)
        colour = lit(LANDS["snow"][number], bright, (1 - number / 2) * 0.4)
        sheets.append(Layer(below(line), colour, _depth(line, 40, 0.16), -1))
        for _ in range((2, 3, 1)[number]):
            x, tall = rng.uniform(6, 122), (15.0, 24.0, 32.0)[number] * rng.uniform(0.85, 1.15)
            foot = float(line[int(x)]) + 4
            sheets += _pine(x, foot, tall, lit(PINE, sky, 0.5 - number / 4), white if number else None)
    return sheets


def forest(rng: Rng, sky: Sky) -> list[Layer]:
    """Return rows of conifers, darker the nearer."""
    sheets = []
    for number, (level, tall, spacing) in enumerate(((94, 26, 14.0), (110, 34, 19.0), (128, 38, 27.0))):
        line = spires(rng, level, tall, spacing)
        colour = lit(LANDS["forest"][number], sky, (1 - number / 2) * 0.9)
        sheets.append(Layer(below(line), colour, _crest(line, 20), -1))
    return sheets


LAND_LAYERS: dict[str, Callable[[Rng, Sky], list[Layer]]] = {
    "mountains": mountains,
    "hills": hills,
    "desert": desert,
    "sea": sea,
    "snow": snow,
    "forest": forest,
}
