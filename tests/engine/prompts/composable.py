"""Composable diffusion by a loop of one's own: a pass of one text at a time, ControlNets with the text of the pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tests.engine.cases import plain

__all__ = ["SCHEDULER", "Net", "loop", "refined"]

SCHEDULER = {"sd15": "EulerDiscreteScheduler", "sdxl": "HeunDiscreteScheduler"}
"""Family to the scheduler that is tried; else the model's own."""
_SIZE = torch.tensor([[64, 64, 0, 0, 64, 64]], dtype=torch.float32)


@dataclass(frozen=True)
class Net:
    """A ControlNet and what it is called with.

    Attributes:
        module: The network.
        image: What it sees.
        scale: How strongly it works.
        end: The share of the steps after which it does not.
        mode: That of a union network.
    """

    module: Any
    image: Image.Image
    scale: float = 0.7
    end: float = 1.0
    mode: int | None = None

    @property
    def of_texts(self) -> bool:
        """Whether it works in the passes with a text alone, as diffusers has it for networks that pool."""
        return bool(self.module.config.get("global_pool_conditions"))


@torch.no_grad()
def loop(
    folder: Path, family: str, parts: list[tuple[str, float]], scale: float = 3.0, nets: Sequence[Net] = ()
) -> torch.Tensor:
    """``uncond + scale * sum(weight * (part - uncond))`` at each of four steps, with the negative text "a bird"."""
    import diffusers

    made = plain(folder)
    flow, name, steps = "sd3" in family, SCHEDULER.get(family), made.scheduler
    steps = steps if name is None else getattr(diffusers, name).from_config(steps.config)
    texts = [made.encode_prompt(text, **({"prompt_2": None, "prompt_3": None} if flow else {}),
                                device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
             for text in ("a bird", *(text for text, _ in parts))]  # fmt: skip
    steps.set_timesteps(4)
    channels, side = (made.transformer if flow else made.unet).config.in_channels, 64 // made.vae_scale_factor
    latents = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(7))
    latents = latents * getattr(steps, "init_noise_sigma", 1.0)
    torch.manual_seed(0)
    seen = [_seen(made, net, flow) for net in nets]
    for place, timestep in enumerate(steps.timesteps):
        given = steps.scale_model_input(latents, timestep) if hasattr(steps, "scale_model_input") else latents
        held = (place + 1) / len(steps.timesteps)
        noises = []
        for row, encoded in enumerate(texts):
            scales = [net.scale if held <= net.end and not (net.of_texts and row == 0) else 0.0 for net in nets]
            added = [
                _added(net, pixels[min(row, 1)], (given, timestep), encoded, scale)
                for net, pixels, scale in zip(nets, seen, scales, strict=True)
            ]
            noises.append(_passed(made, (given, timestep), encoded, added))
        uncond, *conds = noises
        led = sum(weight * (cond - uncond) for (_, weight), cond in zip(parts, conds, strict=True))
        latents = steps.step(uncond + scale * led, timestep, latents).prev_sample
    return latents


@torch.no_grad()
def refined(folder: Path, base: torch.Tensor, parts: list[tuple[str, float]], scale: float = 3.0) -> torch.Tensor:
    """The same by SDXL's refiner, whose passes know how beautiful they shall be, on from 0.6 of ten steps.

    Args:
        folder: The refiner.
        base: Latents of SDXL at that step.
        parts: The texts.
        scale: Of the guidance.
    """
    made = plain(folder, "StableDiffusionXLImg2ImgPipeline")
    steps, latents = made.scheduler, base
    texts = [made.encode_prompt(text, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
             for text in ("a bird", *(text for text, _ in parts))]  # fmt: skip
    steps.set_timesteps(10)
    rest = [timestep for timestep in steps.timesteps if timestep < 400]
    steps.set_begin_index(10 - len(rest))
    for timestep in rest:
        given, noises = steps.scale_model_input(latents, timestep), []
        for row, encoded in enumerate(texts):
            sizes = torch.tensor([[64, 64, 0, 0, 6.0 if row else 2.5]])
            added = {"text_embeds": encoded[2], "time_ids": sizes}
            noises.append(made.unet(given, timestep, encoded[0], added_cond_kwargs=added, return_dict=False)[0])
        led = sum(weight * (cond - noises[0]) for (_, weight), cond in zip(parts, noises[1:], strict=True))
        latents = steps.step(noises[0] + scale * led, timestep, latents).prev_sample
    return latents


def _passed(made: Any, given: tuple[Any, Any], encoded: Any, added: Sequence[Any]) -> torch.Tensor:
    """What the denoiser says of one text, with what ControlNets add to its layers."""
    latents, timestep = given
    if hasattr(made, "transformer"):
        blocks = [sum(rows) for rows in zip(*added, strict=True)] or None
        return made.transformer(
            hidden_states=latents, timestep=timestep.expand(1), encoder_hidden_states=encoded[0],
            pooled_projections=encoded[2], block_controlnet_hidden_states=blocks, return_dict=False,
        )[0]  # fmt: skip
    down = [sum(rows) for rows in zip(*(one[0] for one in added), strict=True)] or None
    return made.unet(
        latents, timestep, encoder_hidden_states=encoded[0], added_cond_kwargs=_sizes(encoded),
        down_block_additional_residuals=down,
        mid_block_additional_residual=sum(one[1] for one in added) if added else None, return_dict=False,
    )[0]  # fmt: skip


def _added(net: Net, pixels: torch.Tensor, given: tuple[Any, Any], encoded: Any, scale: float) -> Any:
    """What a ControlNet adds to the pass of one text: it reads that text."""
    latents, timestep = given
    shared = {"controlnet_cond": pixels, "conditioning_scale": scale, "return_dict": False}
    kind = type(net.module).__name__
    if kind == "SD3ControlNetModel":  # its pipeline gives it zeros for the pooled text
        return net.module(
            hidden_states=latents, timestep=timestep.expand(1), encoder_hidden_states=encoded[0],
            pooled_projections=torch.zeros_like(encoded[2]), **shared,
        )[0]  # fmt: skip
    if net.mode is not None:
        kinds = torch.zeros(1, 6)
        kinds[0, net.mode] = 1
        shared |= {"controlnet_cond": [pixels], "control_type": kinds, "control_type_idx": [net.mode]}
    shared |= {"guess_mode": net.of_texts, "added_cond_kwargs": _sizes(encoded)}
    return net.module(latents, timestep, encoder_hidden_states=encoded[0], **shared)


def _sizes(encoded: Any) -> Any:
    return {"text_embeds": encoded[2], "time_ids": _SIZE} if len(encoded) > 2 else None


def _seen(made: Any, net: Net, flow: bool) -> list[torch.Tensor]:
    """What a ControlNet sees in the passes without and with text: pixels from 0 to 1, or SD3's latents."""
    pixels = torch.from_numpy(np.asarray(net.image, dtype=np.float32) / 255).permute(2, 0, 1)[None]
    if not flow:
        return [pixels, pixels]
    drawn = made.vae.encode(torch.cat([2 * pixels - 1] * 2)).latent_dist.sample()
    return list((drawn * made.vae.config.scaling_factor).chunk(2))
