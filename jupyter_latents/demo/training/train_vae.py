"""Training of the demo models' VAE, on both styles at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from jupyter_latents.demo.training.data import pictures, scenes, tensor
from jupyter_latents.demo.training.loop import Trainer, TrainingPlan
from jupyter_latents.demo.training.scenes import STYLES

KL_WEIGHT = 1e-4
BATCH = 4
SCALING_FACTOR = 0.18215


def build_vae(channels: tuple[int, ...] = (16, 32, 64, 80), latent_channels: int = 4) -> AutoencoderKL:
    """Return an untrained VAE of factor 8; with other than 4 latent channels it is laid out as Stable Diffusion 3's."""
    small = latent_channels == 4
    return AutoencoderKL(
        use_quant_conv=small,
        use_post_quant_conv=small,
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        latent_channels=latent_channels,
        norm_num_groups=8,
        layers_per_block=1,
        sample_size=128,
    )


def loss(vae: AutoencoderKL, batch: Tensor, generator: torch.Generator) -> Tensor:
    """Return the VAE's loss on pictures (batch, 3, 128, 128) from -1 to 1.

    Absolute error, weighted up where a picture differs from its surroundings (stars, discs, edges), the
    absolute error of its gradients, the same at a quarter of the size, and a little Kullback-Leibler divergence.
    """
    with torch.autocast("cpu", torch.bfloat16):
        posterior = vae.encode(batch).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator)
        decoded = vae.decode(posterior.mean + posterior.std * noise).sample
    decoded = decoded.float()
    around = F.interpolate(F.avg_pool2d(batch, 16), scale_factor=16, mode="bilinear")
    weight = 1 + 2 * (batch - around).abs().amax(1, keepdim=True)
    wrong = decoded - batch
    error = (weight * wrong.abs()).mean() + 0.5 * F.avg_pool2d(wrong, 4).abs().mean()
    edges = wrong.diff(dim=-1).abs().mean() + wrong.diff(dim=-2).abs().mean()
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    divergence = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    total: Tensor = error + 0.7 * edges + KL_WEIGHT * divergence
    return total


def train_vae(work: Path, plan: TrainingPlan, count: int = 6000) -> AutoencoderKL:
    """Train in the folder `work`, resuming where it was left, and return the VAE with its `scaling_factor` set."""
    drawn = drawings(work, count, plan.seed)
    torch.manual_seed(plan.seed)
    vae = build_vae()
    _train(vae, Trainer({"vae": vae}, plan, work / "vae.pt"), drawn)
    whiten(vae, np.concatenate([part[:256] for part in drawn]))
    return vae


def train_flow_vae(work: Path, plan: TrainingPlan, start: AutoencoderKL, count: int = 6000) -> AutoencoderKL:
    """Train a VAE of 16 latent channels in the folder `work`, all but the layers at the latents begun from `start`."""
    drawn = drawings(work, count, plan.seed)
    torch.manual_seed(plan.seed)
    vae = build_vae(latent_channels=16)
    own, others = vae.state_dict(), start.state_dict()
    fitting = {name: value for name, value in others.items() if name in own and own[name].shape == value.shape}
    vae.load_state_dict({**own, **fitting})
    _train(vae, Trainer({"vae": vae}, plan, work / "flow-vae.pt"), drawn)
    mean, deviation = channel_statistics(vae, np.concatenate([part[:256] for part in drawn]))
    spread = (deviation.square() + (mean - mean.mean()).square()).mean().sqrt()
    vae.register_to_config(shift_factor=round(float(mean.mean()), 4), scaling_factor=round(float(1 / spread), 4))
    return vae


def refine_decoder(work: Path, plan: TrainingPlan, vae: AutoencoderKL, count: int = 6000) -> AutoencoderKL:
    """Train only the decoder further, in the folder `work`, resuming where it was left: latents stay what they were."""
    for part in (vae.encoder, vae.quant_conv):
        part.requires_grad_(False)
    _train(vae, Trainer({"vae": vae}, plan, work / "decoder.pt"), drawings(work, count, plan.seed))
    return vae


def drawings(work: Path, count: int, seed: int) -> list[NDArray[np.uint8]]:
    """Return `count` drawings (count, 128, 128, 3) of each style, drawn once."""
    chosen = scenes(count, seed)
    return [pictures(work, chosen, style, "vae") for style in STYLES]


def _train(vae: AutoencoderKL, trainer: Trainer, drawn: list[NDArray[np.uint8]]) -> None:
    trainer.resume()

    def step_loss(step: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(drawn[0]), (BATCH,), generator=generator).numpy()
        half = BATCH // 2
        batch = tensor(np.concatenate([drawn[0][np.sort(rows[:half])], drawn[1][np.sort(rows[half:])]]))
        if step % 2:
            batch = batch.flip(-1)
        return loss(vae, batch, generator)

    trainer.run(step_loss)
    trainer.use_averages()


@torch.no_grad()
def channel_statistics(vae: AutoencoderKL, drawn: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Return the mean (4,) and standard deviation (4,) of each channel of the mean latents of `drawn`."""
    means = [vae.encode(tensor(drawn[start : start + 32])).latent_dist.mean for start in range(0, len(drawn), 32)]
    found = torch.cat(means)
    return found.mean((0, 2, 3)), found.std((0, 2, 3))


@torch.no_grad()
def whiten(vae: AutoencoderKL, drawn: NDArray[np.uint8]) -> None:
    """Give every latent channel mean 0 and the same deviation, and set `scaling_factor` so that scaled ones have 1.

    The affine map is folded into the two 1 × 1 convolutions around the latents, so decoded pictures stay what they
    were. The deviation is that of Stable Diffusion 1's latents, whose `scaling_factor` is 0.18215.
    """
    mean, deviation = channel_statistics(vae, drawn)
    factor = 1 / (SCALING_FACTOR * deviation)
    inward, outward = vae.quant_conv, vae.post_quant_conv
    outward.bias += outward.weight[:, :, 0, 0] @ mean
    outward.weight /= factor[None, :, None, None]
    inward.weight[: len(mean)] *= factor[:, None, None, None]
    inward.bias[: len(mean)] = (inward.bias[: len(mean)] - mean) * factor
    inward.bias[len(mean) :] += 2 * factor.log()
    vae.register_to_config(scaling_factor=SCALING_FACTOR)
