"""Latents of Gaussian data, whose clean estimate is known exactly: x0 ~ N(mu, tau^2) for every value alone.

With y = x0 + sigma * noise, E[x0 | y] = mu + tau^2 / (tau^2 + sigma^2) * (y - mu).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from jupyter_latents.latents import CLEAN, SPACES, Form, Latents, Noise
from jupyter_latents.latents.forms import convert, noise_coefficient, signal_coefficient

SHAPE = (2, 4, 96, 96)


def mix(clean: torch.Tensor, noise: torch.Tensor, sigma: float, form: Form) -> torch.Tensor:
    """Latents of level `sigma` from a clean signal and unit-variance noise of one shape."""
    return clean * signal_coefficient(sigma, form) + noise * noise_coefficient(sigma, form)


@dataclass(frozen=True)
class Gaussian:
    """Mean and standard deviation of every value of the clean data."""

    mu: float
    tau: float

    def denoise(self, tensor: torch.Tensor, noise: Noise) -> torch.Tensor:
        if math.isinf(noise.sigma):
            return torch.full_like(tensor, self.mu)
        plain = convert(tensor, noise.sigma, noise.form, "ve")
        return self.mu + self.tau**2 / (self.tau**2 + noise.sigma**2) * (plain - self.mu)

    def draw(
        self, noise: Noise, seed: int, *, known: bool = True, shape=SHAPE, same_noise: int | None = None
    ) -> Latents:
        """Latents at a noise level; `same_noise` is the seed of the noise where two are to share it."""
        generator = torch.Generator().manual_seed(seed)
        clean = self.mu + self.tau * torch.randn(shape, generator=generator)
        if noise.is_clean:
            return Latents(clean, SPACES["sd"], CLEAN)
        if same_noise is not None:
            generator = torch.Generator().manual_seed(same_noise)
        tensor = mix(clean, torch.randn(shape, generator=generator), noise.sigma, noise.form)
        return Latents(tensor, SPACES["sd"], noise, denoised=self.denoise(tensor, noise) if known else None)


def has_moments(latents: Latents, mean: float, variance: float, *, within: float = 6.0) -> None:
    """Asserts the mean and variance of the VE form of `latents`, within so many standard errors."""
    noise = latents.noise
    tensor = latents.tensor.double()
    if noise is not None and not noise.is_clean and not math.isinf(noise.sigma):
        tensor = convert(tensor, noise.sigma, noise.form, "ve")
    count = tensor.numel()
    assert abs(tensor.mean().item() - mean) < within * math.sqrt(variance / count)
    assert abs(tensor.var().item() / variance - 1) < within * math.sqrt(2 / count)


def is_white(tensor: torch.Tensor, within: float = 6.0) -> None:
    """Asserts that neighbours are not correlated."""
    centred = tensor.double() - tensor.double().mean()
    for dim in (2, 3):
        length = tensor.shape[dim] - 1
        product = centred.narrow(dim, 0, length) * centred.narrow(dim, 1, length)
        assert abs(product.mean() / centred.square().mean()) < within / math.sqrt(product.numel())
