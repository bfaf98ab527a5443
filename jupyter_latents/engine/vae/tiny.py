"""Tiny autoencoders: previews of models whose own VAE takes too long, near to what that VAE would show.

diffusers' `AutoencoderTiny` by its published names, and the decoder files of madebyollin's TAESD family as they are
published, among them TAEF2, whose blocks diffusers' class cannot hold.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from jupyter_latents.engine.layout import unpatchify
from jupyter_latents.engine.models.places.tiny import find_tiny
from jupyter_latents.errors import ModelError, cause
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from jupyter_latents.latents.spaces import Space

__all__ = ["TinyBlock", "TinyDecoder", "read_tiny"]

_DEST = "preview_vae"
_BLOCKS = {1: (3, 4, 5), 7: (8, 9, 10), 12: (13, 14, 15), 17: (18,)}  # convolution to the blocks after it
_UPSAMPLINGS = (6, 11, 16)
_LAST = 19


class TinyBlock(nn.Module):
    """Three convolutions beside the input; in TAEF2 a gate over the whole picture comes before.

    Args:
        width: Channels of its values.
        pooled: Channels of the gate; 0 for none.
    """

    def __init__(self, width: int, pooled: int) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(width, width, 3, padding=1) for _ in range(3)]
        self.conv = nn.Sequential(convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU(), convolutions[2])
        self.pool = (
            nn.Sequential(
                nn.Conv2d(width, pooled, 1, bias=False),
                nn.GroupNorm(4, pooled),
                nn.ReLU(),
                nn.Conv2d(pooled, width, 1, bias=False),
            )
            if pooled
            else None
        )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Values (batch, width, height, width in pixels) to values of the same shape."""
        if self.pool is not None:
            values = values + self.pool(values)
        return torch.relu(self.conv(values) + values)


class _SoftClamp(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return 3 * torch.tanh(values / 3)


class TinyDecoder(nn.Module):
    """The decoder of a TAESD file, with the file's own names of tensors.

    Args:
        tensors: The file's; they say how many channels there are and which blocks are gated.

    Raises:
        KeyError: Tensors are missing.
        RuntimeError: They have other shapes, or there are others.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        width, channels = tensors["1.weight"].shape[:2]
        layers: dict[int, nn.Module] = {0: _SoftClamp(), 2: nn.ReLU(), _LAST: nn.Conv2d(width, 3, 3, padding=1)}
        layers |= {place: nn.Upsample(scale_factor=2) for place in _UPSAMPLINGS}
        for place, blocks in _BLOCKS.items():
            layers[place] = nn.Conv2d(channels if place == 1 else width, width, 3, padding=1, bias=place == 1)
            for block in blocks:
                gate = tensors.get(f"{block}.pool.0.weight")
                layers[block] = TinyBlock(width, 0 if gate is None else gate.shape[0])
        self.layers = nn.Sequential(*(layers[place] for place in sorted(layers)))
        self.channels = channels
        self.layers.load_state_dict(dict(tensors))

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures (batch, 3, 8 · height, 8 · width), -1 to 1, of latents in model space."""
        pictures: torch.Tensor = self.layers(latents)
        return pictures * 2 - 1


def read_tiny(name: str, space: Space, like: Any) -> Any:
    """A tiny autoencoder's decoder: latents of a space, in model space, to pictures (batch, 3, height, width), -1 to 1.

    Args:
        name: See `find_tiny`.
        space: The space of the latents.
        like: The model's own VAE, whose device and dtype it takes.

    Raises:
        ModelError: It is not on this machine, cannot be read, or is of another latent space.
    """
    path = find_tiny(name)
    try:
        decoder = TinyDecoder(_tensors(path)) if path.is_file() else _autoencoder(path)
    except Exception as error:
        raise ModelError(
            f"{option(_DEST)} {name!r} is no decoder of a tiny autoencoder: {cause(error)}",
            option=_DEST,
        ) from error
    channels = space.channels // 4 if space.name == "Flux2" else space.channels
    if decoder.channels != channels:
        raise ModelError(
            f"{option(_DEST)} {name!r} decodes latents of {decoder.channels} channels, and these have {channels} "
            f"({space}); leave it out, or give one for this space.",
            option=_DEST,
        )
    decoder = copy.deepcopy(decoder)  # a view into no file: it is kept, whatever becomes of that
    decoder.eval().requires_grad_(requires_grad=False).to(device=like.device, dtype=like.dtype)
    return _Unpatched(decoder) if space.name == "Flux2" else decoder


class _Unpatched(nn.Module):
    """Takes Flux.2's latents, which hold 2x2 patches as channels."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        pictures: torch.Tensor = self.decoder(unpatchify(latents))
        return pictures


class _Diffusers(nn.Module):
    """diffusers' ``AutoencoderTiny`` as a decoder."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.decoder, self.channels = vae.decoder, int(vae.config.latent_channels)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        pictures: torch.Tensor = self.decoder(latents)
        return pictures


def _autoencoder(folder: Path) -> _Diffusers:
    from diffusers import AutoencoderTiny

    return _Diffusers(AutoencoderTiny.from_pretrained(folder, local_files_only=True))


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    tensors: dict[str, torch.Tensor] = torch.load(path, weights_only=True, map_location="cpu")
    return tensors
