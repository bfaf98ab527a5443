"""Whether latents can be what they are taken for: by how large their values are."""

from __future__ import annotations

import math

import torch

from jupyter_latents.latents.facts import Form, Noise
from jupyter_latents.latents.form_table import ROWS

__all__ = ["deviation_of", "doubt", "likely_form", "root_mean_square"]

_MARGIN = 1.3
_FEWEST = 64  # values, below which their size tells nothing
_FAR = 4.0  # times larger or smaller than values of their level are: raw values of a VAE of SD are 5 times


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


def deviation_of(tensor: torch.Tensor, expected: float = 1.0) -> float | None:
    """Standard deviation of the values of latents, of the item that is farthest from what is expected; None of few.

    Args:
        tensor: Latents, the batch first.
        expected: What it is expected to be.
    """
    if tensor[0].numel() < _FEWEST:
        return None
    each = [float(item.double().std()) for item in tensor]
    return max(each, key=lambda one: max(one, expected) / max(min(one, expected), 1e-30))


def doubt(deviation: float | None, noise: Noise) -> str:
    """What is to be told of latents whose values are far too large or too small for their level; empty otherwise.

    Args:
        deviation: Their standard deviation; None where it is not known.
        noise: The level that they are taken for.
    """
    expected = _expected(noise)
    if deviation is None or expected / _FAR <= deviation <= expected * _FAR:
        return ""
    level = "clean latents" if noise.is_clean else f"latents at {noise}"
    return (
        f"these latents have a standard deviation of {deviation:.3g}, and {level} have about {expected:.2g}: hardly "
        "anything can come of them. See that the file is the right one, and that it holds latents of this level, in "
        "the scale of the model"
    )


def _expected(noise: Noise) -> float:
    """Standard deviation of latents at a level, whose clean ones have about 1."""
    return math.hypot(1, noise.sigma) / ROWS[noise.form].divisor(noise.sigma) if math.isfinite(noise.sigma) else 1.0
