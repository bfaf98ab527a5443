"""Latents brought to the level at which they enter, and the draws that they go on with.

The missing variance between two levels is sigma_to^2 - sigma_from^2 in variance-exploding terms (Karras et al. 2022).
"""

from __future__ import annotations

import hashlib
import math

import torch

from jupyter_latents.latents.facts import Form, Noise
from jupyter_latents.latents.forms import convert
from jupyter_latents.latents.value import Latents

__all__ = ["level_tensor", "onward_draws", "same_level"]

_SAME_LEVEL = 1e-3  # relative difference of sigma below which two levels are one


def same_level(sigma: float, other: float) -> bool:
    """Whether two sigmas are one level."""
    return math.isclose(sigma, other, rel_tol=_SAME_LEVEL) or sigma == other


def level_tensor(
    latents: Latents, to: Noise, generator: torch.Generator, unknown_form: Form | None = None
) -> torch.Tensor:
    """The latents in the receiving form and at the receiving level.

    Args:
        latents: What is handed over, with or without a known noise level.
        to: The receiving form and level.
        generator: Draws the missing noise.
        unknown_form: The form of latents whose noise level is not known; None where it is the receiver's.

    Returns:
        Shape of the latents; float32 where they are converted, as rounding to half would add noise of its own. Noise
        is added where the receiving level is higher; it is never taken away. Pure noise has unit variance and so do
        VP latents at every level: what is pure noise, or noisier than the receiving level, enters as VP latents of that
        level, and what enters where a schedule expects pure noise is brought to the variance of VP latents.
    """
    noise = latents.noise
    if noise is None and unknown_form is not None and math.isfinite(to.sigma):
        return convert(latents.tensor.float(), to.sigma, unknown_form, to.form)
    if noise is None or (noise.form == to.form and same_level(noise.sigma, to.sigma)):
        return latents.tensor
    tensor = latents.tensor.float()
    if not math.isfinite(noise.sigma):
        return convert(tensor, to.sigma, "vp", to.form)
    if not math.isfinite(to.sigma):
        return convert(tensor, noise.sigma, noise.form, "vp")
    exploding = convert(tensor, noise.sigma, noise.form, "ve")
    sigma = noise.sigma
    if to.sigma > sigma and not same_level(sigma, to.sigma):
        added = torch.randn(exploding.shape, generator=generator)
        exploding = exploding + math.sqrt(to.sigma**2 - sigma**2) * added
        sigma = to.sigma
    elif sigma > to.sigma and not same_level(sigma, to.sigma):
        return convert(convert(exploding, sigma, "ve", "vp"), to.sigma, "vp", to.form)
    return convert(exploding, sigma, "ve", to.form)


def onward_draws(seed: int, noise: Noise | None) -> torch.Tensor:
    """State of a generator for what a stage draws while it goes on from latents whose own generator it does not have.

    A generator that begins anew with the seed of the stage before draws again, step for step, the noise that is in the
    latents already, and noise added to itself is not of the level that a stochastic scheduler counts on.

    Args:
        seed: The stage's seed.
        noise: Where the latents stand, so that each stage of a chain draws its own; None where that is not known.
    """
    text = f"onward {seed} {noise.sigma:.3g}" if noise is not None else f"onward {seed}"
    own = int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)
    return torch.Generator("cpu").manual_seed(own).get_state()
