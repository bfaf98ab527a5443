"""Between latents and pictures: a VAE's space, decoding, encoding. Numbers come from the VAE's own configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from jupyter_latents.latents.facts import Space

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["decode", "encode", "space_of", "to_pil"]

# Names for the spaces of facts.md 4: (channels, scaling factor) to name; the numbers themselves are the VAE's.
_NAMES = {(4, 0.18215): "SD", (4, 0.13025): "SDXL", (16, 1.5305): "SD3", (16, 0.3611): "Flux"}


def space_of(vae_class: str, config: Mapping[str, Any], digest: str = "") -> Space:
    """The latent space of a VAE.

    Args:
        vae_class: Class name of the VAE.
        config: Its configuration.
        digest: Digest of its files.
    """
    if vae_class == "AutoencoderKLFlux2":
        blocks = len(config["block_out_channels"]) - 1
        return Space("Flux2", config["latent_channels"] * 4, 2**blocks * 2, vae=digest)
    if "z_dim" in config:
        mean, std = tuple(config["latents_mean"]), tuple(config["latents_std"])
        factor = 2 ** len(config["temperal_downsample"])
        return Space("Wan2.1", config["z_dim"], factor, channel_mean=mean, channel_std=std, vae=digest)
    channels, scale = int(config["latent_channels"]), float(config.get("scaling_factor") or 1.0)
    levels = len(config.get("block_out_channels") or config.get("encoder_block_out_channels") or (0,) * 4)
    shift = float(config.get("shift_factor") or 0.0)
    name = _NAMES.get((channels, round(scale, 5)), "own")
    means, stds = config.get("latents_mean"), config.get("latents_std")
    return Space(name, channels, 2 ** (levels - 1), scale, shift, tuple(means or ()), tuple(stds or ()), digest)


def _per_channel(values: Any, like: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(values, dtype=like.dtype, device=like.device).view(1, -1, 1, 1)


@torch.no_grad()
def decode(latents: torch.Tensor, vae: Any) -> torch.Tensor:
    """Decodes latents in model space to pictures.

    Args:
        latents: Clean latents (batch, channels, height/factor, width/factor), any device.
        vae: The VAE.

    Returns:
        Pictures (batch, 3, height, width), float32, -1 to 1, on the CPU. The arithmetic is that of the diffusers
        pipelines' own last lines.
    """
    config, name = vae.config, type(vae).__name__
    latents = latents.to(device=vae.device, dtype=vae.dtype)
    if name == "AutoencoderKLFlux2":
        mean = vae.bn.running_mean.view(1, -1, 1, 1).to(latents)
        std = torch.sqrt(vae.bn.running_var.view(1, -1, 1, 1) + config.batch_norm_eps).to(latents)
        batch, channels, height, width = latents.shape
        patches = (latents * std + mean).reshape(batch, channels // 4, 2, 2, height, width)
        raw = patches.permute(0, 1, 4, 2, 5, 3).reshape(batch, channels // 4, height * 2, width * 2)
    elif "z_dim" in config:
        std, mean = _per_channel(config.latents_std, latents), _per_channel(config.latents_mean, latents)
        raw = (latents / (1.0 / std) + mean).unsqueeze(2)
    elif config.get("latents_mean") is not None and config.get("latents_std") is not None:
        std, mean = _per_channel(config.latents_std, latents), _per_channel(config.latents_mean, latents)
        raw = latents * std / config.scaling_factor + mean
    else:
        raw = latents / config.scaling_factor
        if config.get("shift_factor"):
            raw = raw + config.shift_factor
    pictures: torch.Tensor = vae.decode(raw, return_dict=False)[0]
    if pictures.dim() == 5:
        pictures = pictures[:, :, 0]
    return pictures.float().cpu()


@torch.no_grad()
def encode(pictures: torch.Tensor, vae: Any) -> torch.Tensor:
    """Encodes pictures to latents in model space, the mean of the posterior.

    Args:
        pictures: (batch, 3, height, width), -1 to 1.
        vae: The VAE.

    Returns:
        Latents (batch, channels, height/factor, width/factor), float32, on the CPU.
    """
    config, name = vae.config, type(vae).__name__
    pictures = pictures.to(device=vae.device, dtype=vae.dtype)
    encoded = vae.encode(pictures.unsqueeze(2) if "z_dim" in config else pictures)
    raw = encoded.latent if hasattr(encoded, "latent") else encoded.latent_dist.mode()
    if name == "AutoencoderKLFlux2":
        batch, channels, height, width = raw.shape
        patches = raw.view(batch, channels, height // 2, 2, width // 2, 2).permute(0, 1, 3, 5, 2, 4)
        patches = patches.reshape(batch, channels * 4, height // 2, width // 2)
        std = torch.sqrt(vae.bn.running_var.view(1, -1, 1, 1) + config.batch_norm_eps).to(patches)
        latents = (patches - vae.bn.running_mean.view(1, -1, 1, 1).to(patches)) / std
    elif "z_dim" in config:
        raw = raw.squeeze(2)
        latents = (raw - _per_channel(config.latents_mean, raw)) / _per_channel(config.latents_std, raw)
    elif config.get("latents_mean") is not None and config.get("latents_std") is not None:
        mean, std = _per_channel(config.latents_mean, raw), _per_channel(config.latents_std, raw)
        latents = (raw - mean) * config.scaling_factor / std
    else:
        latents = (raw - (config.get("shift_factor") or 0.0)) * config.scaling_factor
    result: torch.Tensor = latents.float().cpu()
    return result


def to_pil(pictures: torch.Tensor) -> list[Image]:
    """Pictures (batch, 3, height, width) of -1 to 1 as PIL images, rounded as diffusers' VaeImageProcessor does."""
    from PIL import Image

    arrays = ((pictures * 0.5 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float().numpy() * 255).round().astype("uint8")
    return [Image.fromarray(array) for array in arrays]
