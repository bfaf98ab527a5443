"""Training of the demo models' denoisers, `demo/scenes` first and `demo/paper` fine-tuned from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from jupyter_latents.demo.training.captions import caption
from jupyter_latents.demo.training.data import latents, pictures, scenes
from jupyter_latents.demo.training.loop import Trainer, TrainingPlan
from jupyter_latents.demo.training.scenes import Scene
from jupyter_latents.demo.training.tokenizer import MAX_LENGTH

DROPOUT = 0.12
SNR_LIMIT, SNR_FLOOR, WEIGHT_LIMIT = 5.0, 0.3, 10.0
NOISE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def build_unet(channels: tuple[int, ...] = (80, 112, 112), context: int = 128) -> UNet2DConditionModel:
    """Return an untrained denoiser of latents (batch, 4, 16, 16); attention from the second level down."""
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=context,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_text_encoder(tokenizer: CLIPTokenizer, width: int = 128, layers: int = 3) -> CLIPTextModel:
    """Return an untrained text encoder: `width` numbers a token, `MAX_LENGTH` tokens."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=MAX_LENGTH,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


@dataclass(frozen=True)
class Material:
    """What a denoiser learns from.

    Attributes:
        scenes: what each row shows.
        latents: (count, 4, 16, 16), of unit standard deviation.
        tokenizer: turns captions into token ids (batch, `MAX_LENGTH`).
    """

    scenes: list[Scene]
    latents: Tensor
    tokenizer: CLIPTokenizer

    def batch(self, size: int, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return latents (size, 4, 16, 16) and token ids (size, `MAX_LENGTH`); some captions are left empty."""
        rows = torch.randint(len(self.scenes), (size,), generator=generator).tolist()
        rng = np.random.default_rng([int(torch.randint(2**31, (1,), generator=generator)), step])
        said = [caption(self.scenes[row], rng) if rng.uniform() >= DROPOUT else "" for row in rows]
        ids = self.tokenizer(said, padding="max_length", max_length=MAX_LENGTH, truncation=True, return_tensors="pt")
        return self.latents[rows], ids.input_ids


def loss(
    unet: UNet2DConditionModel, text: CLIPTextModel, batch: tuple[Tensor, Tensor], generator: torch.Generator
) -> Tensor:
    """Return the weighted squared error of the predicted noise.

    The weight of a timestep is min(SNR, 5) / SNR (Hang et al. 2023, "Efficient Diffusion Training via Min-SNR
    Weighting Strategy", for noise prediction), with 0.3 added to the SNR above the stroke and ten at most: nearly pure
    noise counts more, since it is there that the caption decides on colours and layout.
    """
    clean, ids = batch
    scheduler = DDPMScheduler(**NOISE)
    timesteps = torch.randint(1000, (len(clean),), generator=generator)
    noise = torch.randn(clean.shape, generator=generator)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    with torch.autocast("cpu", torch.bfloat16):
        prompt_embeds = text(ids).last_hidden_state
        noise_pred = unet(noisy, timesteps, prompt_embeds).sample
    cumulative = scheduler.alphas_cumprod[timesteps]
    snr = cumulative / (1 - cumulative)
    weight = ((snr + SNR_FLOOR).clamp(max=SNR_LIMIT) / snr).clamp(max=WEIGHT_LIMIT)
    error: Tensor = (weight * (noise_pred.float() - noise).square().mean((1, 2, 3))).mean()
    return error


def material(work: Path, vae: AutoencoderKL, tokenizer: CLIPTokenizer, style: str, count: int, seed: int) -> Material:
    """Draw and encode `count` scenes of `style` once, and return them as material."""
    chosen = scenes(count, seed + 1)
    file = work / f"latents-{style}-{count}.pt"
    drawn = np.empty((0, 128, 128, 3), np.uint8) if file.exists() else pictures(work, chosen, style, "unet")
    return Material(chosen, latents(file, vae, drawn) * vae.config.scaling_factor, tokenizer)


def train_unet(
    work: Path, plan: TrainingPlan, learnt: Material, batch: int = 32
) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """Train a denoiser and its text encoder in the folder `work`, resuming where they were left."""
    torch.manual_seed(plan.seed)
    unet, text = build_unet(), build_text_encoder(learnt.tokenizer)
    trainer = Trainer({"unet": unet, "text_encoder": text}, plan, work / "scenes.pt")
    trainer.resume()
    trainer.run(lambda step, generator: loss(unet, text, learnt.batch(batch, step, generator), generator))
    trainer.use_averages()
    return unet, text


def fine_tune(
    work: Path, plan: TrainingPlan, learnt: Material, unet: UNet2DConditionModel, text: CLIPTextModel, batch: int = 32
) -> UNet2DConditionModel:
    """Train `unet` further on other material, the text encoder held fast, resuming where it was left."""
    text.requires_grad_(False)
    trainer = Trainer({"unet": unet}, plan, work / "paper.pt")
    trainer.resume()
    trainer.run(lambda step, generator: loss(unet, text, learnt.batch(batch, step, generator), generator))
    trainer.use_averages()
    return unet
