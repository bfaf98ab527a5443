"""Blends of two latents that keep their noise level.

A plain average of two independent noises has variance (1-w)^2 + w^2, half of what the next model expects at w = 0.5:
pictures come out flat. Here the signals are averaged and the noises are mixed with gains a, b for which a^2 + b^2 + 2
rho a b = 1, where rho is the correlation of the two noises. Latents of one seed share their noise (rho near 1) and
are averaged plainly.

Where nothing tells signal and noise apart, the tensors are averaged and exactly the lost variance is added as new
noise: w (1-w) times the mean square of the noises' difference, which is 2 n^2 for independent noises and never more
than the mean square of the tensors' difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import torch
import torch.nn.functional as F

from jupyter_latents.errors import LatentsError, SettingError
from jupyter_latents.latents.arguments import number
from jupyter_latents.latents.facts import Noise
from jupyter_latents.latents.forms import noise_coefficient
from jupyter_latents.latents.operations.lineage import align, derive
from jupyter_latents.latents.operations.masks import Mask, as_mask
from jupyter_latents.latents.separation import (
    complete,
    correlation,
    generator_of,
    in_float,
    mean_square,
    noise_estimate,
    noise_of,
    seed_of,
    standard_normal,
)
from jupyter_latents.latents.spaces import for_shape

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["blend", "composite", "slerp"]

Gains: TypeAlias = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]

_MOST_FEATHER = 4096  # picture pixels; the memory that fading takes grows with it
_MOST_GAIN = 2.0  # opposite noises cancel; beyond this gain new noise takes their place


def _linear_gains(weight: torch.Tensor, rho: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    left = (1 - weight).square() + weight.square() + 2 * rho * weight * (1 - weight)
    gain = left.clamp_min(1 / _MOST_GAIN**2).rsqrt()
    return gain * (1 - weight), gain * weight


def _spherical_gains(weight: torch.Tensor, rho: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Shoemake 1985, "Animating rotation with quaternion curves": sin((1-w) theta) / sin(theta), cos(theta) = rho."""
    angle = torch.acos(rho.clamp(-0.95, 0.9995))
    first, second = torch.sin((1 - weight) * angle) / torch.sin(angle), torch.sin(weight * angle) / torch.sin(angle)
    near = rho > 0.9995  # the two are one direction, where the formula divides by nearly nothing
    linear = _linear_gains(weight, rho)
    return torch.where(near, linear[0], first), torch.where(near, linear[1], second)


def blend(first: Latents, other: Latents, weight: float | Sequence[float] = 0.5, *, seed: int | None = None) -> Latents:
    """A mix of two latents at one noise level, with that same level.

    Position is kept where both share it; scheduler history is dropped, so a run continues without it.

    Args:
        first: Latents.
        other: Latents of the same space, shape and sigma; another form is converted.
        weight: Share of `other`, 0 to 1; of clips also several, spread evenly over the time: ``[0, 1]`` fades over.
        seed: Seed of new noise where some is needed; by default one that follows from the two latents.

    Returns:
        (1 - weight) of `first` and `weight` of `other`; where the tensors are equal, exactly that tensor.

    Raises:
        HandoffError: Different spaces or sigmas.
        LatentsError: Different shapes, or noise that is not known.
        SettingError: A weight outside 0 to 1.
    """
    other = align(first, other, "blend")
    shares = _weight(first, weight)
    tensor, seed = _mix(first, other, shares, _linear_gains, ("blend", seed))
    return _finish(first, other, shares, tensor, ("blend", {"weight": weight, "seed": seed}))


def slerp(first: Latents, other: Latents, weight: float = 0.5, *, seed: int | None = None) -> Latents:
    """A mix whose noise goes over the sphere from one to the other, as walks between seeds do.

    The signals are averaged as in `blend`. Clean latents go over the sphere themselves: with those of a trained VAE it
    decodes 19 dB from the mixed picture, `blend` 24 dB, the way through pixels 29 dB.

    Args:
        first: Latents.
        other: Latents of the same space, shape and sigma; another form is converted.
        weight: Way from `first` to `other`, 0 to 1.
        seed: Seed of new noise where some is needed; by default one that follows from the two latents.

    Raises:
        HandoffError: Different spaces or sigmas.
        LatentsError: Different shapes, noise that is not known, or no clean estimate to tell noise from signal.
        SettingError: A weight outside 0 to 1.
    """
    other = align(first, other, "slerp")
    shares = _weight(first, weight)
    if noise_of(first, "slerp").is_clean:
        one, two = in_float(first.tensor), in_float(other.tensor)
        gains = _spherical_gains(shares, correlation(one, two))
        tensor = _exact_ends(one, two, shares, gains[0] * one + gains[1] * two)
        return _finish(first, other, shares, tensor, ("slerp", {"weight": weight}))
    tensor, seed = _mix(first, other, shares, _spherical_gains, ("slerp", seed))
    return _finish(first, other, shares, tensor, ("slerp", {"weight": weight, "seed": seed}))


def composite(first: Latents, other: Latents, mask: Mask, feather: float = 0.0, *, seed: int | None = None) -> Latents:
    """`other` where the mask is white, `first` where it is black, mixed as by `blend` in between.

    Args:
        first: Latents.
        other: Latents of the same space, shape and sigma; another form is converted.
        mask: A PIL image, or an array or tensor (height, width), (1 or batch, 1, height, width) with values 0 to 1
        (or 0 to
            255 in integers), of the picture's or the latents' size or any other, to which it is resized. For clips one
            for all frames, or several, (frames, height, width) or a list of pictures, spread evenly over the time.
        feather: Picture pixels over which the mask's edges fade.
        seed: Seed of new noise where some is needed; by default one that follows from the two latents.

    Raises:
        HandoffError: Different spaces or sigmas.
        LatentsError: Different shapes, or noise that is not known.
        SettingError: No usable mask, or a negative feather.
    """
    other = align(first, other, "composite")
    wanted = f"it is a number of picture pixels, 0 to {_MOST_FEATHER}."
    pixels = number(feather, "feather", wanted)
    if not 0.0 <= pixels <= _MOST_FEATHER:
        raise SettingError(f"feather is {feather}; {wanted}")
    shares = as_mask(mask, first.shape, pixels / for_shape(first.space, first.shape).factor).to(
        in_float(first.tensor).dtype
    )
    tensor, seed = _mix(first, other, shares, _linear_gains, ("composite", seed))
    return _finish(first, other, shares, tensor, ("composite", {"feather": feather, "seed": seed}))


def _weight(like: Latents, weight: object) -> torch.Tensor:
    if like.moves and isinstance(weight, Sequence) and not isinstance(weight, str) and len(weight) > 1:
        several = torch.stack([_weight(like, one).view(()) for one in weight]).view(1, 1, -1)
        return F.interpolate(several, like.shape[2], mode="linear", align_corners=True).view(1, 1, -1, 1, 1)
    wanted = "it goes from 0 (all of the first) to 1 (all of the second)."
    share = number(weight, "weight", wanted)
    if not 0.0 <= share <= 1.0:
        raise SettingError(f"weight is {weight}; {wanted}")
    return torch.tensor(share, dtype=in_float(like.tensor).dtype).view(1, 1, 1, 1)


def _exact_ends(one: torch.Tensor, two: torch.Tensor, weight: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
    """Where the weight is 0 or 1, or both agree, the given value itself, free of rounding."""
    return torch.where((weight == 0) | (one == two), one, torch.where(weight == 1, two, mixed))


def _mix(
    first: Latents, second: Latents, weight: torch.Tensor, gains: Gains, how: tuple[str, int | None]
) -> tuple[torch.Tensor, int]:
    operation, given_seed = how
    noise = noise_of(first, operation)
    seed = seed_of(given_seed, operation, first, second)
    one, two = in_float(first.tensor), in_float(second.tensor)
    if noise.is_clean or torch.equal(one, two):
        mixed = torch.lerp(one, two, weight)
    else:
        mixed = _mix_noisy(
            first, second, weight, gains, (operation, noise, generator_of(seed, operation, first, second))
        )
    return _exact_ends(one, two, weight, mixed), seed


def _mix_noisy(
    first: Latents, second: Latents, weight: torch.Tensor, gains: Gains, how: tuple[str, Noise, torch.Generator]
) -> torch.Tensor:
    operation, noise, generator = how
    one, two = in_float(first.tensor), in_float(second.tensor)
    scale = noise_coefficient(noise.sigma, noise.form)
    known, other_known = noise_estimate(first, noise), noise_estimate(second, noise)
    if known is None or other_known is None:
        if operation == "slerp":
            raise LatentsError(
                f"slerp at σ {noise.sigma:.3g} needs the clean estimate (denoised) of both latents, "
                "which is not known; use blend()."
            )
        lost = torch.minimum(mean_square(one - two), torch.full_like(mean_square(one), 2 * scale**2))
        return torch.lerp(one, two, weight) + standard_normal(one, generator) * (weight * (1 - weight) * lost).sqrt()
    rho = correlation(known, other_known)
    fresh = standard_normal(one, generator)
    other = rho * fresh + (1 - rho.square()).clamp_min(0).sqrt() * standard_normal(one, generator)
    noises = complete(known, fresh), complete(other_known, other)
    rho = correlation(*noises)
    a, b = gains(weight, rho)
    missing = (1 - (a.square() + b.square() + 2 * rho * a * b)).clamp_min(0)
    mixed_noise = a * noises[0] + b * noises[1] + missing.sqrt() * standard_normal(one, generator)
    return torch.lerp(one - scale * noises[0], two - scale * noises[1], weight) + scale * mixed_noise


def _finish(
    first: Latents, second: Latents, weight: torch.Tensor, tensor: torch.Tensor, how: tuple[str, dict[str, object]]
) -> Latents:
    denoised = None
    if first.denoised is not None and second.denoised is not None:
        one, two = in_float(first.denoised), in_float(second.denoised)
        denoised = _exact_ends(one, two, weight, torch.lerp(one, two, weight.to(one.dtype)))
    return derive([first, second], *how, tensor, denoised)
