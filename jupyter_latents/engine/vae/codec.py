"""Between latents and pictures: a VAE's space, decoding, encoding. Numbers come from the VAE's own configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from jupyter_latents.engine.ear import ear
from jupyter_latents.engine.failures.extremes import extreme_latents
from jupyter_latents.engine.failures.finite import check_finite
from jupyter_latents.engine.layout import patchify, unpatchify
from jupyter_latents.errors import ModelError, cause
from jupyter_latents.latents.clip import FPS, Clip
from jupyter_latents.latents.scaling import Scaling
from jupyter_latents.latents.spaces import AXES, Space

if TYPE_CHECKING:
    pass

__all__ = ["decode", "encode", "scaling_of_vae", "space_of", "to_pil"]

# Names of spaces: (channels, scaling factor) to name; the numbers themselves are the VAE's.
_WAN_CHANNELS = 16
_LTX, _LTX2, _COG = "AutoencoderKLLTXVideo", "AutoencoderKLLTX2Video", "AutoencoderKLCogVideoX"
_HUNYUAN, _HUNYUAN15 = "AutoencoderKLHunyuanVideo", "AutoencoderKLHunyuanVideo15"
_COG_GROUP = 2  # latent frames at once: AutoencoderKLCogVideoX makes other frames of an even number
_NAMES = {(4, 0.18215): "SD", (4, 0.13025): "SDXL", (16, 1.5305): "SD3", (16, 0.3611): "Flux"}


def space_of(vae_class: str, config: Mapping[str, Any], digest: str = "") -> Space:
    """The latent space of a VAE.

    Args:
        vae_class: Class name of the VAE.
        config: Its configuration.
        digest: Digest of its files.

    Raises:
        ModelError: Its numbers are none that latents can be scaled by.
    """
    _check_numbers(vae_class, config)
    try:
        return _space(vae_class, config, digest)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"the VAE ({vae_class}) cannot be used: its config.json lacks a setting or holds another kind of value "
            f"than its class reads ({cause(error)}). Fetch the VAE's config.json again."
        ) from error


def _space(vae_class: str, config: Mapping[str, Any], digest: str) -> Space:
    """The same of a configuration whose numbers are in order."""
    if vae_class == "AutoencoderKLFlux2":
        blocks = len(config["block_out_channels"]) - 1
        return Space("Flux2", config["latent_channels"] * 4, 2**blocks * 2, vae=digest)
    if vae_class in _CLIPS:
        return _CLIPS[vae_class](config, digest)
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


def _wan_space(config: Mapping[str, Any], digest: str) -> Space:
    """That of Wan's VAEs, of clips."""
    factor, frames = int(config["scale_factor_spatial"]), int(config["scale_factor_temporal"])
    mean, std = tuple(config["latents_mean"]), tuple(config["latents_std"])
    name = "Wan2.1" if config["z_dim"] == _WAN_CHANNELS else "Wan2.2"
    return Space(
        name, config["z_dim"], factor, channel_mean=mean, channel_std=std, vae=digest, axes=AXES[1], frame_factor=frames
    )


def _ltx_space(config: Mapping[str, Any], digest: str, name: str = "LTX") -> Space:
    """That of LTX-Video's VAE, whose means and deviations are among its weights."""
    halvings = sum(map(bool, config["spatio_temporal_scaling"]))
    factor = config.get("spatial_compression_ratio") or config["patch_size"] * 2**halvings
    frames = config.get("temporal_compression_ratio") or config["patch_size_t"] * 2**halvings
    scale = float(config.get("scaling_factor") or 1.0)
    channels = int(config["latent_channels"])
    return Space(name, channels, int(factor), scale, vae=digest, axes=AXES[1], frame_factor=int(frames))


def _hunyuan_space(config: Mapping[str, Any], digest: str, name: str = "HunyuanVideo") -> Space:
    """That of HunyuanVideo's VAE."""
    factor, frames = int(config["spatial_compression_ratio"]), int(config["temporal_compression_ratio"])
    channels, scale = int(config["latent_channels"]), float(config["scaling_factor"])
    return Space(name, channels, factor, scale, vae=digest, axes=AXES[1], frame_factor=frames)


def _cog_space(config: Mapping[str, Any], digest: str) -> Space:
    """That of CogVideoX's VAE."""
    factor, frames = 2 ** (len(config["block_out_channels"]) - 1), int(config["temporal_compression_ratio"])
    channels, scale = int(config["latent_channels"]), float(config["scaling_factor"])
    return Space(
        "CogVideoX", channels, factor, scale, vae=digest, axes=AXES[1], frame_factor=frames, frame_group=_COG_GROUP
    )


_CLIPS: Mapping[str, Callable[[Mapping[str, Any], str], Space]] = MappingProxyType(
    {
        "AutoencoderKLWan": _wan_space,
        _LTX: _ltx_space,
        _LTX2: partial(_ltx_space, name="LTX-2"),
        _COG: _cog_space,
        _HUNYUAN: _hunyuan_space,
        _HUNYUAN15: partial(_hunyuan_space, name="HunyuanVideo 1.5"),
    }
)
"""VAEs of clips, by class."""


_ALONE = frozenset({_HUNYUAN15})
"""VAEs that decode one clip at a time: the attention mask of diffusers' has no room for a batch."""


def _check_numbers(vae_class: str, config: Mapping[str, Any]) -> None:
    """Sees that a VAE's scale is above 0, and that its other numbers are numbers.

    Raises:
        ModelError: Such as a scale of 0 or NaN, which would make every picture black.
    """
    for name in ("scaling_factor", "shift_factor", "latents_mean", "latents_std"):
        said = config.get(name)
        scale = name in ("scaling_factor", "latents_std")
        numbers = () if said is None else tuple(said) if isinstance(said, (list, tuple)) else (said,)
        listed = name.startswith("latents_")
        fits = said is None or not listed or isinstance(said, (list, tuple))
        if not fits or not all(_is_number(one) and (one > 0 or not scale) for one in numbers):
            allowed = ("a list of numbers, each " if listed else "a number ") + (
                "above 0" if scale else "that is finite"
            )
            raise ModelError(
                f"the VAE ({vae_class}) cannot be used: its config.json says {name} {said}, and it is "
                f"{allowed}. Fetch the VAE's config.json again."
            )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def scaling_of_vae(vae: Any, like: torch.Tensor) -> Scaling:
    """How a VAE's values become latents, in the dtype and on the device of `like`, as the pipelines compute it."""

    def per_channel(values: Any) -> torch.Tensor:
        axes = (1,) * (like.dim() - 2)
        return torch.as_tensor(values, dtype=like.dtype, device=like.device).view(1, -1, *axes)

    config = vae.config
    if _has_patches(vae):
        std = torch.sqrt(vae.bn.running_var.view(1, -1, 1, 1) + config.batch_norm_eps).to(like)
        return Scaling(vae.bn.running_mean.view(1, -1, 1, 1).to(like), std)
    if type(vae).__name__ == _COG:
        return Scaling(scale=config.scaling_factor, order="inverse")
    if type(vae).__name__ in (_LTX, _LTX2):
        mean, std = (per_channel(values) for values in (vae.latents_mean, vae.latents_std))
        return Scaling(mean, std, config.scaling_factor)
    if "z_dim" in config:
        return Scaling(per_channel(config.latents_mean), per_channel(config.latents_std), order="reciprocal")
    if config.get("latents_mean") is not None and config.get("latents_std") is not None:
        return Scaling(per_channel(config.latents_mean), per_channel(config.latents_std), config.scaling_factor)
    return Scaling(config.get("shift_factor") or None, scale=config.scaling_factor)


def _has_patches(vae: Any) -> bool:
    """Whether the latents are 2x2 patches of what the VAE makes."""
    return type(vae).__name__ == "AutoencoderKLFlux2"


def _has_frames(vae: Any) -> bool:
    """Whether its pictures and latents have an axis of frames."""
    return "z_dim" in vae.config or type(vae).__name__ in _CLIPS


@torch.no_grad()
def decode(latents: torch.Tensor, vae: Any) -> torch.Tensor:
    """Decodes latents in model space to pictures.

    Args:
        latents: Clean latents (batch, channels, height/factor, width/factor), or those of clips, any device.
        vae: The VAE.

    Returns:
        Pictures (batch, 3, height, width), or clips (batch, 3, frames, height, width), float32, -1 to 1, on the CPU.
        The arithmetic is that of the diffusers pipelines' own last lines.

    Raises:
        StoppedError: The run that it belongs to is to end.
        RunError: The VAE made NaN or infinite values.
    """
    with ear():
        pictures = _decoded(latents, vae)
    part = f"the VAE ({type(vae).__name__}), while it decoded,"
    check_finite(pictures, part, vae.dtype, "vae", partial(extreme_latents, latents))
    return pictures


def _decoded(latents: torch.Tensor, vae: Any) -> torch.Tensor:
    latents = latents.to(device=vae.device, dtype=vae.dtype)
    raw = scaling_of_vae(vae, latents).raw_from_model(latents)
    if _has_patches(vae):
        raw = unpatchify(raw)
    elif _has_frames(vae) and latents.dim() == 4:
        raw = raw.unsqueeze(2)
    # LTX-Video's pipelines decode at timestep 0 where nobody asks for another.
    timed = {"temb": raw.new_zeros(len(raw))} if vae.config.get("timestep_conditioning") else {}
    parts = raw.chunk(len(raw)) if type(vae).__name__ in _ALONE else (raw,)
    pictures = torch.cat([vae.decode(part, **timed, return_dict=False)[0] for part in parts])
    if pictures.dim() > latents.dim():
        pictures = pictures[:, :, 0]
    return pictures.float().cpu()


@torch.no_grad()
def encode(pictures: torch.Tensor, vae: Any) -> torch.Tensor:
    """Encodes pictures to latents in model space, the mean of the posterior.

    Args:
        pictures: (batch, 3, height, width), -1 to 1, or clips (batch, 3, frames, height, width).
        vae: The VAE.

    Returns:
        Latents (batch, channels, height/factor, width/factor), those of clips with frames, float32, on the CPU.

    Raises:
        StoppedError: See `decode`.
        RunError: See `decode`.
    """
    with ear():
        latents = _encoded(pictures, vae)
    check_finite(latents, f"the VAE ({type(vae).__name__}), while it encoded a picture,", vae.dtype, "vae")
    return latents


def _encoded(pictures: torch.Tensor, vae: Any) -> torch.Tensor:
    pictures = pictures.to(device=vae.device, dtype=vae.dtype)
    one_frame = _has_frames(vae) and pictures.dim() == 4
    encoded = vae.encode(pictures.unsqueeze(2) if one_frame else pictures)
    raw = encoded.latent if hasattr(encoded, "latent") else encoded.latent_dist.mode()
    raw = patchify(raw) if _has_patches(vae) else raw.squeeze(2) if one_frame else raw
    latents = scaling_of_vae(vae, raw).model_from_raw(raw)
    result: torch.Tensor = latents.float().cpu()
    return result


def to_pil(pictures: torch.Tensor, fps: float = FPS) -> list[Any]:
    """Pictures (batch, 3, height, width) of -1 to 1 as PIL images, rounded as diffusers' VaeImageProcessor does.

    Args:
        pictures: They, or clips (batch, 3, frames, height, width), which become a `Clip` each.
        fps: Frames a second of the clips.
    """
    from PIL import Image

    if pictures.dim() > 4:
        return [Clip(to_pil(clip.transpose(0, 1)), fps) for clip in pictures]
    arrays = ((pictures * 0.5 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float().numpy() * 255).round().astype("uint8")
    return [Image.fromarray(array) for array in arrays]
