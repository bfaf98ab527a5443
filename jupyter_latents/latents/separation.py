"""Signal and noise of partly noised latents told apart, so that an operation can treat each as what it is.

Latents are ``x = c x0 + n e`` (forms.py) with unit-variance noise ``e``. The clean estimate d = E[x0 | x] gives the
estimated noise (x - c d) / n, whose mean square m is below 1: what the model cannot tell from signal is missing in
it. By the orthogonality of a conditional mean, e = (x - c d) / n + r with r uncorrelated to it and of mean square 1 -
m, so adding an independent draw of r gives noise of the right variance; x0 = (x - n e) / c is then a draw from what
x0 may be. Operations on such pairs have the right mean and covariance, whatever the signal's distribution. Guided
estimates can have m above 1; their noise is scaled to 1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from jupyter_latents.errors import LatentsError
from jupyter_latents.latents.arguments import seed_number
from jupyter_latents.latents.facts import Noise
from jupyter_latents.latents.forms import noise_coefficient, signal_coefficient

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["Parts", "generator_of", "in_float", "noise_of", "seed_of", "separate", "standard_normal"]

# From this sigma on the signal is less than about a hundredth of the variance: the tensor is taken as pure noise.
PURE_NOISE = 10.0


def _item(tensor: torch.Tensor) -> tuple[int, ...]:
    """The dimensions of one item of a batch."""
    return tuple(range(1, tensor.dim()))


@dataclass(frozen=True, slots=True)
class Parts:
    """Latents as ``signal + scale * noise``.

    Attributes:
        signal: c x0, the latents' shape.
        noise: Unit-variance noise, the same shape; zeros for clean latents.
        scale: Standard deviation of the noise in the latents; 0 for clean latents.
    """

    signal: torch.Tensor
    noise: torch.Tensor
    scale: float

    def join(self) -> torch.Tensor:
        """The latents again."""
        return self.signal + self.noise * self.scale


def in_float(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in the precision in which operations compute: float32 or better."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def noise_of(latents: Latents, operation: str) -> Noise:
    """The latents' noise.

    Raises:
        LatentsError: It is not known.
    """
    if latents.noise is None:
        raise LatentsError(
            f"{operation} needs to know how noisy the latents are, which nobody said. "
            "Say it: latents.replace(noise=CLEAN) or Noise(sigma, form), or load the file with sigma=."
        )
    return latents.noise


def _number_of(text: str, digits: int) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:digits], 16)


def seed_of(seed: object, operation: str, *parents: Latents) -> int:
    """The caller's seed; where it is None, one that is the same each time the same operation meets the same latents.

    Raises:
        SettingError: It is no seed.
    """
    if seed is not None:
        return seed_number(seed)
    return _number_of(" ".join([operation, *(parent.digest for parent in parents)]), 12)


def generator_of(seed: int, operation: str, *parents: Latents) -> torch.Generator:
    """A CPU generator for the noise that an operation adds to latents.

    What it draws depends on the noisy latents too, not on the seed alone: a run or an earlier operation with the same
    seed would have drawn the very noise that is in them, and noise added to itself is not of the level that
    independent noise has. Clean latents hold no noise: with one seed they all get the same.
    """
    noisy = [parent.digest for parent in parents if not parent.is_clean]
    return torch.Generator().manual_seed(_number_of(" ".join([f"{operation} with seed {seed}", *noisy]), 15))


def standard_normal(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Unit-variance noise of the shape and dtype of `like`."""
    return torch.randn(like.shape, generator=generator, dtype=like.dtype)


def mean_square(tensor: torch.Tensor) -> torch.Tensor:
    """Mean square of each item, shape (batch, 1, 1, 1), one more for clips."""
    return tensor.square().mean(dim=_item(tensor), keepdim=True)


def correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Correlation of two zero-mean tensors, item by item, shape (batch, 1, 1, 1)."""
    product = (first * second).mean(dim=_item(first), keepdim=True)
    size = (mean_square(first) * mean_square(second)).sqrt()
    return (product / size.clamp_min(torch.finfo(size.dtype).tiny)).clamp(-1.0, 1.0)


def noise_estimate(latents: Latents, noise: Noise) -> torch.Tensor | None:
    """The noise that the clean estimate leaves, or None where neither an estimate nor a high sigma tells it."""
    tensor = in_float(latents.tensor)
    scale = noise_coefficient(noise.sigma, noise.form)
    if latents.denoised is not None and latents.denoised.shape == latents.tensor.shape:
        denoised = latents.denoised.to(tensor.dtype)
        return (tensor - denoised * signal_coefficient(noise.sigma, noise.form)) / scale
    return tensor / scale if noise.sigma >= PURE_NOISE else None


def complete(estimate: torch.Tensor, fresh: torch.Tensor) -> torch.Tensor:
    """Estimated noise brought to unit variance with as much `fresh` noise as it lacks; see the module's text."""
    known = mean_square(estimate)
    filled = estimate + fresh * (1.0 - known).clamp_min(0.0).sqrt()
    return torch.where(known > 1.0, estimate / known.sqrt(), filled)


def separate(latents: Latents, operation: str, generator: torch.Generator) -> Parts | None:
    """Signal and noise of `latents`, or None where nothing tells them apart.

    Args:
        latents: Latents of known noise.
        operation: What asks, for the message.
        generator: Draws the noise that the clean estimate does not tell.

    Raises:
        LatentsError: The noise is not known.
    """
    noise = noise_of(latents, operation)
    tensor = in_float(latents.tensor)
    if noise.is_clean:
        return Parts(tensor, torch.zeros_like(tensor), 0.0)
    estimate = noise_estimate(latents, noise)
    if estimate is None:
        return None
    scale = noise_coefficient(noise.sigma, noise.form)
    if latents.denoised is None:  # high sigma: all is noise
        return Parts(torch.zeros_like(tensor), estimate, scale)
    whole = complete(estimate, standard_normal(tensor, generator))
    return Parts(tensor - whole * scale, whole, scale)
