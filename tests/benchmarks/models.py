"""Models of larger sizes with random weights: a demo model's folder with another U-Net."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

from jupyter_latents import demo

__all__ = ["Sizes", "plain_pipeline", "save_model"]

Sizes = tuple[int, ...]


def save_model(folder: Path, channels: Sizes, *, side: int, seed: int = 0) -> Path:
    """Writes a model in Stable Diffusion's layout.

    Args:
        folder: Where; made when missing.
        channels: ``block_out_channels`` of its U-Net, whose deeper levels attend to the text as SD's do.
        side: Side of its latents; its pictures are eight times as large.
        seed: Seed of its weights.
    """
    import torch
    from diffusers import UNet2DConditionModel

    shutil.copytree(demo.path("demo/scenes"), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("unet"))
    settings = json.loads((demo.path("demo/scenes") / "unet" / "config.json").read_text())
    levels = len(channels)
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=side,
        block_out_channels=channels,
        down_block_types=("CrossAttnDownBlock2D",) * (levels - 1) + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (levels - 1),
        cross_attention_dim=settings["cross_attention_dim"],
        attention_head_dim=8,
        layers_per_block=1,
    )
    unet.save_pretrained(folder / "unet")
    return folder


def plain_pipeline(folder: Path) -> object:
    """A model as diffusers loads it."""
    import torch
    from diffusers import StableDiffusionPipeline

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
