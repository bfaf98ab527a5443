"""Training of `demo/flow`: a flow-matching transformer in the layout of Stable Diffusion 3, with a VAE of its own."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, SD3Transformer2DModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from jupyter_latents.demo import path
from jupyter_latents.demo.training.data import latents, pictures, scenes
from jupyter_latents.demo.training.loop import Trainer, TrainingPlan
from jupyter_latents.demo.training.tokenizer import MAX_LENGTH
from jupyter_latents.demo.training.train_unet import Material

NULL_TOKENS = 256
"""Zeros that ``StableDiffusion3Pipeline`` puts behind the caption where a model has no T5 text encoder."""
SIGMA_MEAN, SIGMA_SPREAD = 0.3, 1.2
WIDTH, SMALL = 128, 64


class CountedNullToken:
    """Joint attention in which the last token of the caption stands for `count` equal ones.

    Equal tokens stay equal through all blocks, as a caption has no positions here. One with ``log(count)`` added to
    its scores is as good as all of them, and training costs a third.
    """

    def __init__(self, count: int) -> None:
        self.bias = math.log(count)

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,  # noqa: ARG002 - the interface of diffusers' processors
    ) -> tuple[Tensor, Tensor]:
        """Return the attended picture and caption, shaped like the two that are given."""

        def both(own: nn.Module, norm: nn.Module, added: nn.Module, added_norm: nn.Module) -> Tensor:
            picture, said = (
                value.view(*value.shape[:2], attn.heads, -1).transpose(1, 2)
                for value in (own(hidden_states), added(encoder_hidden_states))
            )
            return torch.cat([norm(picture), added_norm(said)], 2)

        query = both(attn.to_q, attn.norm_q, attn.add_q_proj, attn.norm_added_q)
        key = both(attn.to_k, attn.norm_k, attn.add_k_proj, attn.norm_added_k)
        value = both(attn.to_v, nn.Identity(), attn.add_v_proj, nn.Identity())
        scores = torch.zeros(key.shape[2], dtype=query.dtype)
        scores[-1] = self.bias
        mask = scores.expand(1, 1, query.shape[2], -1)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)
        count = hidden_states.shape[1]
        picture, said = attended[:, :count], attended[:, count:]
        return attn.to_out[0](picture), said if attn.context_pre_only else attn.to_add_out(said)


def build_transformer(layers: int = 5, width: int = WIDTH, context: int = WIDTH + SMALL) -> SD3Transformer2DModel:
    """Return an untrained denoiser of latents (batch, 16, 16, 16): 64 tokens of 2 × 2 latent pixels."""
    return SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=layers,
        attention_head_dim=32,
        num_attention_heads=width // 32,
        joint_attention_dim=context,
        caption_projection_dim=width,
        pooled_projection_dim=context,
        pos_embed_max_size=32,
        qk_norm="rms_norm",
    )


def build_text_encoders(tokenizer: CLIPTokenizer) -> tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection]:
    """Return the two text encoders: that of `demo/scenes`, to be trained further, and a small untrained one."""
    first = CLIPTextModelWithProjection.from_pretrained(path("demo/scenes") / "text_encoder", dtype=torch.float32)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=SMALL,
        intermediate_size=4 * SMALL,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=MAX_LENGTH,
        projection_dim=SMALL,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return first, CLIPTextModelWithProjection(config)


def embed(encoders: tuple[CLIPTextModelWithProjection, ...], ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return what ``StableDiffusion3Pipeline`` makes of token ids (batch, length), one null token at the end.

    Returns:
        The caption (batch, length + 1, channels) and the pooled caption (batch, channels).
    """
    found = [encoder(ids, output_hidden_states=True) for encoder in encoders]
    said = torch.cat([output.hidden_states[-2] for output in found], -1)
    pooled = torch.cat([output.text_embeds for output in found], -1)
    return torch.cat([said, said.new_zeros(len(said), 1, said.shape[-1])], 1), pooled


def loss(
    transformer: SD3Transformer2DModel,
    encoders: tuple[CLIPTextModelWithProjection, ...],
    batch: tuple[Tensor, Tensor],
    generator: torch.Generator,
) -> Tensor:
    """Return the squared error of the predicted velocity, σ drawn from a logit-normal distribution.

    Source: Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis", section 3.1;
    shifted to more noise, where the caption decides on colours and layout.
    """
    clean, ids = batch
    sigma = torch.sigmoid(SIGMA_MEAN + SIGMA_SPREAD * torch.randn(len(clean), generator=generator))
    noise = torch.randn(clean.shape, generator=generator)
    noisy = torch.lerp(clean, noise, sigma[:, None, None, None])
    with torch.autocast("cpu", torch.bfloat16):
        said, pooled = embed(encoders, ids)
        velocity = transformer(
            noisy, encoder_hidden_states=said, pooled_projections=pooled, timestep=1000 * sigma
        ).sample
    return F.mse_loss(velocity.float(), noise - clean)


def flow_material(work: Path, vae: AutoencoderKL, tokenizer: CLIPTokenizer, count: int, seed: int) -> Material:
    """Draw and encode `count` painted scenes once, and return them as material."""
    chosen = scenes(count, seed)
    encoded = latents(work / f"latents-flow-{count}.pt", vae, pictures(work, chosen, "scenes", "vae"))
    return Material(chosen, (encoded - vae.config.shift_factor) * vae.config.scaling_factor, tokenizer)


def train_flow(work: Path, plan: TrainingPlan, learnt: Material, batch: int = 32) -> dict[str, nn.Module]:
    """Train the transformer and both text encoders in the folder `work`, resuming where they were left.

    Returns:
        The parts by the names that ``StableDiffusion3Pipeline`` gives them.
    """
    torch.manual_seed(plan.seed)
    transformer, encoders = build_transformer(), build_text_encoders(learnt.tokenizer)
    transformer.set_attn_processor(CountedNullToken(NULL_TOKENS))
    parts = {"transformer": transformer, "text_encoder": encoders[0], "text_encoder_2": encoders[1]}
    trainer = Trainer(parts, plan, work / "flow.pt")
    trainer.resume()
    trainer.run(lambda step, generator: loss(transformer, encoders, learnt.batch(batch, step, generator), generator))
    trainer.use_averages()
    return parts
