"""The tiny families by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.tiny import diffusion, film, flow, generic
from tests.tiny.parts import seeded

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

FAMILIES: dict[str, Callable[..., DiffusionPipeline]] = {
    "sd15": diffusion.sd15,
    "sd2": diffusion.sd2,
    "sdxl": diffusion.sdxl,
    "sdxl-refiner": diffusion.sdxl_refiner,
    "kolors": diffusion.kolors,
    "sd3": flow.sd3,
    "deep-sd3": flow.deep_sd3,
    "flux": flow.flux,
    "flux-schnell": flow.flux_schnell,
    "flux2": flow.flux2,
    "flux2-klein": flow.flux2_klein,
    "qwen-image": flow.qwen_image,
    "z-image": flow.z_image,
    "pixart-sigma": generic.pixart_sigma,
    "lumina2": generic.lumina2,
    "auraflow": generic.auraflow,
}
"""Builders by family; each takes a seed, 0 unless given."""

CLIPS: dict[str, Callable[..., DiffusionPipeline]] = {
    "cogvideox": film.cogvideox,
    "cogvideox15": film.cogvideox15,
    "hunyuan-video": film.hunyuan_video,
    "hunyuan-video15": film.hunyuan_video15,
    "ltx": film.ltx,
    "ltx-condition": film.ltx_condition,
    "ltx2": film.ltx2,
    "skyreels": film.skyreels,
    "wan21": film.wan21,
    "wan22": film.wan22,
    "wan21-i2v": film.wan21_i2v,
    "wan22-i2v": film.wan22_i2v,
    "wan22-ti2v": film.wan22_ti2v,
}
"""The same for families that make clips, which have tests of their own."""


def build(name: str, seed: int = 0) -> DiffusionPipeline:
    """Build the tiny pipeline of a family, in ``eval()``, without a progress bar.

    Its random numbers depend on ``name`` and ``seed`` only; torch's global generator is left as it was. The VAE is
    the same for all models of one latent space, whatever the seed.

    Args:
        name: A key of ``FAMILIES`` or ``CLIPS``.
        seed: Seed of the weights of everything but the VAE.

    Raises:
        KeyError: There is no such family.
    """
    with seeded(seed):
        pipeline = {**FAMILIES, **CLIPS}[name](seed)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
