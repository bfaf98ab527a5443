"""The two styles of the demo landscapes: the same layers painted softly, or cut from paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jupyter_latents.demo.training.layers import SIZE, Layer, X, Y
from jupyter_latents.demo.training.palette import Array, Sky, mix


def paint(layers: Sequence[Layer], sky: Sky) -> Array:
    """Return the painted picture (128, 128, 3): a graded sky, shaded land, soft glows. 0 to 255."""
    stops = np.array([0, 34, 82, 127], np.float32)
    colours = np.array([sky.top, sky.middle, sky.horizon, sky.horizon], np.float32)
    rows = np.stack([np.interp(np.arange(SIZE), stops, colours[:, c]) for c in range(3)], 1).astype(np.float32)
    picture = np.broadcast_to(rows[:, None, :], (SIZE, SIZE, 3)).copy()
    for layer in layers:
        colour = layer.colour if layer.shade is None else layer.colour * layer.shade[..., None]
        picture += (colour - picture) * layer.coverage[..., None]
    return picture


def cut(layers: Sequence[Layer], sky: Sky, place: tuple[float, float]) -> Array:
    """Return the cut-paper picture (128, 128, 3): flat sheets, each with its shadow and a bright edge. 0 to 255.

    The sky is four sheets that open around `place`, where the light stands.
    """
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    picture[:] = _flat(mix(sky.top, sky.middle, 0.0))
    for number, share in enumerate((0.34, 0.67, 1.0)):
        reach = np.hypot((X - np.float32(place[0])) * 0.55, (Y - 96) * 1.0)
        wobble = 2.2 * np.sin(np.arctan2(Y - 96, X - np.float32(place[0])) * (5 + number) + number)
        cover = np.clip((86 - number * 21) - reach + wobble + 0.5, 0, 1).astype(np.float32)
        tone = mix(sky.top, sky.middle, share * 1.5) if share < 0.5 else mix(sky.middle, sky.horizon, share * 2 - 1)
        _lay(picture, cover, _flat(tone), -1)
    for layer in layers:
        if not layer.soft:
            _lay(picture, layer.coverage, _flat(layer.colour), layer.lift)
    return picture


def _flat(colour: Array) -> Array:
    """Return a colour as paper has it: more saturated, and never quite black or white."""
    grey = colour.mean()
    flat: Array = np.clip(grey + (colour - grey) * 1.3, 16, 250).astype(np.float32)
    return flat


def _shift(plane: Array, down: int, right: int) -> Array:
    """Return `plane` (128, 128) moved by whole pixels, its border repeated."""
    padded = np.pad(plane, 4, mode="edge")
    return padded[4 - down : 4 - down + SIZE, 4 - right : 4 - right + SIZE]


def _lay(picture: Array, cover: Array, colour: Array, lift: int) -> None:
    """Lay one sheet on `picture`, in place."""
    if lift:
        near, far = _shift(cover, lift * 1, 1), _shift(cover, lift * 3, 2)
        picture *= (1 - 0.16 * near - 0.16 * far)[..., None]
    picture += (colour - picture) * cover[..., None]
    if lift:
        edge = np.clip(cover - _shift(cover, 1, 0), 0, 1)
        picture += (255 - picture) * (0.18 * edge)[..., None]
