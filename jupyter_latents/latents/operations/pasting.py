"""Latents pasted into others at a place, their edges faded; the noise keeps its level, as in `mixing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from jupyter_latents.errors import SettingError
from jupyter_latents.latents.arguments import number, numbers, shown
from jupyter_latents.latents.operations.geometry import crop, pad
from jupyter_latents.latents.operations.lineage import check_latents, derive
from jupyter_latents.latents.operations.mixing import composite
from jupyter_latents.latents.separation import seed_of
from jupyter_latents.latents.spaces import for_shape

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["paste"]

_MOST_FEATHER = 4096


def paste(
    latents: Latents, other: Latents, at: Sequence[int], *, feather: float = 0.0, seed: int | None = None
) -> Latents:
    """Others in place of a part of these: a picture in the picture.

    Args:
        latents: What is pasted into; its size is the result's.
        other: What is pasted, of the same space and sigma; what goes beyond the edge is left out.
        at: (left, top) of its corner, in picture pixels.
        feather: Picture pixels over which its edges fade in a straight line, those at the picture's own edge excepted.
        seed: Seed of new noise where some is needed; by default one that follows from the two latents.

    Raises:
        HandoffError: Different spaces or sigmas.
        LatentsError: Noise that is not known.
        SettingError: A place outside the picture, no whole latent pixels, or a negative feather.
    """
    check_latents(latents, "paste")
    check_latents(other, "paste")
    place = numbers(at, 2)
    (width, height), (across, down) = latents.size, other.size
    if place is None or not (0 <= place[0] < width and 0 <= place[1] < height):
        raise SettingError(f"at is {shown(at)}; it is (left, top) inside the picture of {width} by {height} pixels.")
    wanted = f"it is a number of picture pixels, 0 to {_MOST_FEATHER}."
    fade = number(feather, "feather", wanted)
    if not 0.0 <= fade <= _MOST_FEATHER:
        raise SettingError(f"feather is {feather}; {wanted}")
    left, top = (int(side) for side in place)
    box = (left, top, min(left + across, width), min(top + down, height))
    inside = crop(other, (0, 0, box[2] - left, box[3] - top))
    edges = (left, top, width - box[2], height - box[3])
    drawn = seed_of(seed, "paste", latents, other)
    made = composite(latents, pad(inside, edges, mode="zero", seed=drawn), _mask(latents, edges, fade), seed=drawn)
    options: dict[str, object] = {"at": (left, top), "feather": feather, "seed": drawn}
    return derive([latents, other], "paste", options, made.tensor, made.denoised)


def _mask(latents: Latents, edges: Sequence[int], feather: float) -> torch.Tensor:
    """The part that is covered, shape (height/factor, width/factor): 1, falling to 0 at edges that are faded."""
    factor = for_shape(latents.space, latents.shape).factor
    left, top, right, bottom = (edge // factor for edge in edges)
    down, across = latents.shape[-2:]
    reach = int(feather // factor)
    rows = _ramp(down - top - bottom, reach, (top > 0, bottom > 0))
    columns = _ramp(across - left - right, reach, (left > 0, right > 0))
    mask = torch.zeros(down, across)
    mask[top : down - bottom, left : across - right] = rows[:, None] * columns[None, :]
    return mask


def _ramp(length: int, reach: int, ends: tuple[bool, bool]) -> torch.Tensor:
    """Weights along one axis that rise over `reach` places from each end that fades."""
    weights, reach = torch.ones(length), min(reach, length)
    rise = torch.arange(1, reach + 1) / max(1, reach)
    if ends[0]:
        weights[:reach] *= rise
    if ends[1]:
        weights[length - reach :] *= rise.flip(0)
    return weights
