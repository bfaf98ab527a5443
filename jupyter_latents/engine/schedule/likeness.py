"""Whether latents that do not say their form can be of a level: by how large their values are."""

from __future__ import annotations

import math

import torch

from jupyter_latents.latents.facts import Form, Noise

__all__ = ["likely_form", "root_mean_square"]

_MARGIN = 1.3
_FEWEST = 64  # values, below which their size tells nothing


def root_mean_square(tensor: torch.Tensor) -> float:
    """Root mean square of all values."""
    return float(tensor.float().square().mean().sqrt())


def likely_form(tensor: torch.Tensor, noise: Noise) -> Form:
    """The form of values at a level: that of `noise`, or VP where they are too small to hold such noise in VE form.

    Unit noise cannot be sigma 5.9 in VE form, whose values are at least that large; in VP form values stay near 1 at
    every level, and so does pure noise. The other way about nothing is sure: a signal may be as large as it likes.

    Args:
        tensor: Latents, any shape.
        noise: The level that they are taken for.
    """
    if noise.form != "ve" or not math.isfinite(noise.sigma) or tensor.numel() < _FEWEST:
        return noise.form
    size = root_mean_square(tensor)
    return "vp" if 1 / _MARGIN < size < noise.sigma / _MARGIN else "ve"
