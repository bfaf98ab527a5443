"""Latents to a small picture at little cost: by a tiny autoencoder, by a small VAE itself, or by a linear map.

The map is fitted to the VAE: each latent pixel and its eight neighbours give a patch of the picture, by least squares
over synthetic pictures that the VAE encodes, so any VAE gets its previews with no table of published factors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F

from jupyter_latents.engine.models.places.tiny import published_tiny
from jupyter_latents.engine.vae.codec import decode, encode, to_pil
from jupyter_latents.engine.vae.tiny import read_tiny
from jupyter_latents.latents.clip import Clip

if TYPE_CHECKING:
    from jupyter_latents.latents.spaces import Space

__all__ = ["DecodedPreviewer", "LinearPreviewer", "Previewer", "TinyPreviewer", "previewer_of"]

_SMALL = 3_000_000  # parameters up to which a VAE decodes in about the time of a step
_DECODED_SIDE = 32  # latent pixels; larger latents are averaged down first
_LATENT_SIDE = 24
_PICTURES = 24
_MOMENTS, _MOMENTS_A_SECOND = 6, 4  # of a clip


class Previewer(Protocol):
    """Makes small pictures of clean latents, or of a clean estimate."""

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures (batch, 3, height, width), -1 to 1, of latents (batch, channels, height/factor, width/factor)."""

    def images(self, latents: torch.Tensor) -> list[Any]:
        """The same as PIL images; of clips a few frames, as a `Clip` each."""


def _shown(pictures: Callable[[torch.Tensor], torch.Tensor], latents: torch.Tensor) -> list[Any]:
    """What `Previewer.images` gives."""
    if latents.dim() == 4:
        return to_pil(pictures(latents))
    last = latents.shape[2] - 1
    moments = sorted({round(number * last / (_MOMENTS - 1)) for number in range(_MOMENTS)})
    few = to_pil(pictures(latents[:, :, moments].transpose(1, 2).flatten(0, 1)))
    count = len(moments)
    return [Clip(few[first : first + count], _MOMENTS_A_SECOND) for first in range(0, len(few), count)]


def previewer_of(vae: Any, space: Space, tiny: str = "auto") -> Previewer:
    """The way to preview a VAE's latents.

    Args:
        vae: The VAE, ready to encode and decode.
        space: The space of its latents.
        tiny: A tiny autoencoder, see `find_tiny`; ``off`` for none; ``auto`` for the published one of this
            space, where the VAE is not small itself and that one is on this machine.

    Raises:
        ModelError: The tiny autoencoder is not there or does not fit.
    """
    small = sum(parameter.numel() for parameter in vae.parameters()) <= _SMALL
    if tiny == "auto":
        tiny = (None if small else published_tiny(space.name)) or "off"
    if tiny != "off":
        return TinyPreviewer(read_tiny(tiny, space, vae))
    return DecodedPreviewer(vae) if small else LinearPreviewer.fit(vae, space.factor)


@dataclass(frozen=True, slots=True)
class TinyPreviewer:
    """A tiny autoencoder's decoding.

    Attributes:
        decoder: Latents to pictures (batch, 3, height, width), -1 to 1.
    """

    decoder: Any

    @torch.no_grad()
    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        """See `Previewer.pictures`."""
        weight = next(self.decoder.parameters())
        small = F.avg_pool2d(latents.detach().float(), -(-max(latents.shape[-2:]) // _DECODED_SIDE))
        pictures: torch.Tensor = self.decoder(small.to(weight.device, weight.dtype))
        return pictures.float().cpu().clamp(-1, 1)

    def images(self, latents: torch.Tensor) -> list[Any]:
        """See `Previewer.images`."""
        return _shown(self.pictures, latents)


@dataclass(frozen=True, slots=True)
class DecodedPreviewer:
    """A small VAE's own decoding.

    Attributes:
        vae: The VAE.
    """

    vae: Any

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        """See `Previewer.pictures`."""
        shrink = -(-max(latents.shape[-2:]) // _DECODED_SIDE)
        return decode(F.avg_pool2d(latents.float(), shrink), self.vae).clamp(-1, 1)

    def images(self, latents: torch.Tensor) -> list[Any]:
        """See `Previewer.images`."""
        return _shown(self.pictures, latents)


@dataclass(frozen=True, slots=True)
class LinearPreviewer:
    """The fitted map of one VAE.

    Attributes:
        weight: Convolution weight (3 * patch * patch, channels, 3, 3).
        bias: (3 * patch * patch,).
        patch: Preview pixels for one latent pixel.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    patch: int

    @staticmethod
    def fit(vae: Any, factor: int, patch: int = 4) -> LinearPreviewer:
        """Fits the map on synthetic pictures.

        Args:
            vae: The VAE, ready to encode.
            factor: Pixels for one latent pixel.
            patch: Preview pixels for one latent pixel, a divisor of `factor`.
        """
        pictures = _synthetic(_PICTURES, _LATENT_SIDE * factor)
        latents = torch.cat([encode(pictures[start : start + 4], vae) for start in range(0, _PICTURES, 4)])
        targets = F.avg_pool2d(pictures, factor // patch)
        targets = F.pixel_unshuffle(targets, patch).flatten(2).transpose(1, 2).reshape(-1, 3 * patch * patch)
        columns = (
            F.unfold(F.pad(latents, (1, 1, 1, 1), mode="replicate"), 3)
            .transpose(1, 2)
            .reshape(-1, latents.shape[1] * 9)
        )
        design = torch.cat([columns, torch.ones(len(columns), 1)], 1).double()
        ridge = 1e-3 * len(design) * torch.eye(design.shape[1], dtype=torch.float64)
        solution = torch.linalg.solve(design.T @ design + ridge, design.T @ targets.double()).float()
        weight = solution[:-1].T.reshape(3 * patch * patch, latents.shape[1], 3, 3)
        return LinearPreviewer(weight.contiguous(), solution[-1].contiguous(), patch)

    @torch.no_grad()
    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        """Small pictures (batch, 3, height * patch, width * patch), -1 to 1, of clean latents or a clean estimate."""
        padded = F.pad(latents.detach().float().cpu(), (1, 1, 1, 1), mode="replicate")
        return F.pixel_shuffle(F.conv2d(padded, self.weight, self.bias), self.patch).clamp(-1, 1)

    def images(self, latents: torch.Tensor) -> list[Any]:
        """See `Previewer.images`."""
        return _shown(self.pictures, latents)


def _synthetic(count: int, side: int) -> torch.Tensor:
    """Smooth colour fields with edges, (count, 3, side, side), -1 to 1: what a preview must tell apart."""
    generator = torch.Generator("cpu").manual_seed(0)
    fields = torch.zeros(count, 3, side, side)
    for cells, weight in ((2, 1.0), (4, 0.7), (8, 0.5), (24, 0.35)):
        noise = torch.randn(count, 3, cells, cells, generator=generator)
        shade = torch.randn(count, 1, cells, cells, generator=generator)
        fields += weight * F.interpolate(noise * 0.6 + shade, (side, side), mode="bicubic")
    fields += torch.randn(count, 3, 1, 1, generator=generator) * 0.5
    cut = F.interpolate(torch.randn(count, 1, 5, 5, generator=generator), (side, side), mode="bicubic") > 0
    return torch.tanh(torch.where(cut, fields, fields.flip(0))).clamp(-1, 1)
