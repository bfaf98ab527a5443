"""Crop, pad, flip and resize: the signal as a picture, the noise as noise.

Sizes are picture pixels and must be multiples of the VAE's factor, 8 where the space is not known. Results keep
space, sigma and position; scheduler history and trajectory are dropped. A VAE is not exactly symmetric, so a flipped
picture decodes nearly, not exactly, as the mirror image. Clips are
changed in height and width, frame by frame, never in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import torch
import torch.nn.functional as F

from jupyter_latents.errors import LatentsError, SettingError
from jupyter_latents.formats import MOST_PIXELS
from jupyter_latents.latents.arguments import choice, flag, numbers, shown
from jupyter_latents.latents.forms import noise_coefficient
from jupyter_latents.latents.operations.lineage import check_latents, check_most, derive
from jupyter_latents.latents.operations.resampling import each_frame, resample_white
from jupyter_latents.latents.separation import generator_of, in_float, noise_of, seed_of, separate, standard_normal
from jupyter_latents.latents.spaces import for_shape

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["Box", "PadMode", "ResizeMode", "crop", "flip", "pad", "resize"]

Box: TypeAlias = Sequence[int]  # four numbers
PadMode: TypeAlias = Literal["edge", "reflect", "zero"]
ResizeMode: TypeAlias = Literal["bilinear", "bicubic", "nearest"]


def _cells(latents: Latents, pixels: Sequence[float], what: str) -> tuple[int, ...]:
    """Picture pixels as latent pixels.

    Raises:
        SettingError: No whole number of latent pixels.
    """
    space = for_shape(latents.space, latents.shape)
    factor = space.factor
    if any(value % factor for value in pixels):
        near = tuple(round(value / factor) * factor for value in pixels)
        raise SettingError(
            f"{what} is {tuple(pixels)}; a latent pixel is {factor} picture pixels wide, "
            f"so give multiples of {factor}: {near}."
        )
    return space.cells(pixels)


def _check_most(width: float, height: float) -> None:
    """Raises before more memory is taken than any picture needs."""
    if width * height > MOST_PIXELS:
        raise SettingError(
            f"the picture would have {width:g}x{height:g} pixels; {MOST_PIXELS // 10**6} million are the most."
        )


def crop(latents: Latents, box: Box) -> Latents:
    """A part of the picture.

    Args:
        latents: Any latents.
        box: (left, top, right, bottom) in picture pixels, as for PIL.

    Raises:
        SettingError: A box outside the picture, empty, or not of whole latent pixels.
    """
    check_latents(latents, "crop")
    width, height = latents.size
    edges = numbers(box, 4)
    if edges is None or not (0 <= edges[0] < edges[2] <= width and 0 <= edges[1] < edges[3] <= height):
        raise SettingError(
            f"box is {shown(box)}; it is (left, top, right, bottom) inside the picture of {width} by {height} pixels."
        )
    left, top, right, bottom = _cells(latents, edges, "box")

    def part(tensor: torch.Tensor) -> torch.Tensor:
        return tensor[..., top:bottom, left:right]

    denoised = None if latents.denoised is None else part(latents.denoised)
    return derive([latents], "crop", {"box": edges}, part(latents.tensor), denoised)


def flip(latents: Latents, *, horizontal: bool = True, vertical: bool = False) -> Latents:
    """The mirror image.

    Latents are not pictures: mirrored latents of a trained VAE decode 17 to 22 dB from the mirrored picture, against 24
    to 32 dB by way of pixels (decode, mirror, encode). Latents that are denoised further mind it less.

    Args:
        latents: Any latents.
        horizontal: Whether left and right change places.
        vertical: Whether top and bottom change places.

    Raises:
        SettingError: Neither True nor False.
    """
    check_latents(latents, "flip")
    horizontal, vertical = flag(horizontal, "horizontal"), flag(vertical, "vertical")
    dims = [dim for dim, wanted in ((-1, horizontal), (-2, vertical)) if wanted]
    denoised = None if latents.denoised is None else latents.denoised.flip(dims)
    options: dict[str, object] = {"horizontal": horizontal, "vertical": vertical}
    return derive([latents], "flip", options, latents.tensor.flip(dims), denoised)


def pad(latents: Latents, edges: int | Box, *, mode: PadMode | None = None, seed: int | None = None) -> Latents:
    """A larger picture with these latents inside; new parts carry new noise of the same level.

    Args:
        latents: Any latents of known noise.
        edges: Picture pixels to add on every side, or on (left, top, right, bottom).
        mode: What the signal of the new parts is: ``edge`` (the border drawn out), ``reflect`` or ``zero`` (the
        middle of
            latent space). By default ``edge``, or ``zero`` for noisy latents without a clean estimate.
        seed: Seed of the new noise; by default one that follows from the latents.

    Raises:
        LatentsError: The noise is not known, or `mode` needs a clean estimate that is not.
        SettingError: Negative or no whole latent pixels, an unknown mode, or more to reflect than there is.
    """
    check_latents(latents, "pad")
    if mode is not None:
        choice(mode, "mode", get_args(PadMode))
    widths = numbers([edges] * 4 if isinstance(edges, Integral) else edges, 4)
    if widths is None or min(widths) < 0:
        raise SettingError(
            f"edges is {shown(edges)}; give one number of picture pixels, or (left, top, right, bottom), 0 or more."
        )
    across, down = latents.size
    _check_most(across + widths[0] + widths[2], down + widths[1] + widths[3])
    left, top, right, bottom = _cells(latents, widths, "edges")
    height, width = latents.shape[-2:]
    check_most((*latents.shape[:-2], height + top + bottom, width + left + right), "pad")
    seed = seed_of(seed, "pad", latents)
    generator = generator_of(seed, "pad", latents)
    parts = separate(latents, "pad", generator)
    chosen = mode or ("zero" if parts is None else "edge")
    if parts is None and chosen != "zero":
        raise LatentsError(
            f"pad with mode {mode!r} needs the clean estimate (denoised), which is not known; use mode='zero'."
        )
    if chosen == "reflect" and (max(left, right) >= width or max(top, bottom) >= height):
        raise SettingError(
            f"edges is {edges}, more than the picture of {latents.size} has to reflect; use mode='edge'."
        )
    sides = (left, right, top, bottom)

    def larger(tensor: torch.Tensor) -> torch.Tensor:
        name = {"edge": "replicate", "reflect": "reflect", "zero": "constant"}[chosen]
        return each_frame(lambda frames: F.pad(frames, sides, mode=name), tensor)

    inside = in_float(latents.tensor)
    whole = larger(torch.zeros_like(inside) if parts is None else parts.signal)
    scale = _noise_scale(latents)
    if scale > 0.0:
        whole = whole + scale * standard_normal(whole, generator)
    whole[..., top : top + height, left : left + width] = inside
    denoised = None if latents.denoised is None else larger(in_float(latents.denoised))
    return derive([latents], "pad", {"edges": widths, "mode": chosen, "seed": seed}, whole, denoised)


def _noise_scale(latents: Latents) -> float:
    noise = noise_of(latents, "pad")
    return noise_coefficient(noise.sigma, noise.form)


def resize(latents: Latents, size: Sequence[int], *, mode: ResizeMode = "bilinear", seed: int | None = None) -> Latents:
    """Another picture size at the same sigma: the signal is interpolated, the noise resampled so that it stays white.

    Interpolated latents of a trained VAE decode 17 to 22 dB from the resized picture, against 26 to 36 dB by way of
    pixels (decode, resize, encode): leave steps to run that mend it, or go by way of pixels.

    Args:
        latents: Any latents of known noise.
        size: New (width, height) in picture pixels.
        mode: How the signal is interpolated.
        seed: Seed of the new noise; by default one that follows from the latents.

    Raises:
        LatentsError: The noise is not known; or noisy latents without a clean estimate are to be enlarged, or made
        smaller
            by no whole number.
        SettingError: Not positive, no whole latent pixels, or an unknown mode.
    """
    check_latents(latents, "resize")
    choice(mode, "mode", get_args(ResizeMode))
    pixels = numbers(size, 2)
    if pixels is None or min(pixels) <= 0:
        raise SettingError(f"size is {shown(size)}; give (width, height) in picture pixels.")
    _check_most(*pixels)
    width, height = _cells(latents, pixels, "size")
    check_most((*latents.shape[:-2], height, width), "resize")
    seed = seed_of(seed, "resize", latents)
    generator = generator_of(seed, "resize", latents)
    parts = separate(latents, "resize", generator)

    def interpolate(tensor: torch.Tensor) -> torch.Tensor:
        smooth = mode != "nearest"
        kind = mode if smooth else "nearest-exact"
        return each_frame(
            lambda frames: F.interpolate(frames, (height, width), mode=kind, antialias=smooth, **_corners(mode)), tensor
        )

    if parts is None:
        tensor = _every_nth(latents, (height, width))
    elif parts.scale == 0.0:
        tensor = interpolate(parts.signal)
    else:
        tensor = interpolate(parts.signal) + parts.scale * resample_white(parts.noise, (height, width), generator)
    denoised = None if latents.denoised is None else interpolate(in_float(latents.denoised))
    return derive([latents], "resize", {"size": pixels, "mode": mode, "seed": seed}, tensor, denoised)


def _corners(mode: str) -> dict[str, bool]:
    return {} if mode == "nearest" else {"align_corners": False}


def _every_nth(latents: Latents, size: tuple[int, int]) -> torch.Tensor:
    """Every n-th latent pixel, which leaves noise white without knowing it.

    Raises:
        LatentsError: Not a whole fraction of the present size.
    """
    height, width = latents.shape[-2:]
    if height % size[0] or width % size[1]:
        raise LatentsError(
            f"resize of noisy latents from {width}x{height} to {size[1]}x{size[0]} latent pixels "
            "needs their clean estimate (denoised), which is not known. "
            "Without it only 1/2, 1/3, ... of the size can be had."
        )
    down, across = height // size[0], width // size[1]
    return in_float(latents.tensor)[..., down // 2 :: down, across // 2 :: across]
