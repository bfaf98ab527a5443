"""Tiny pipelines of families without a row of their own: PixArt-Sigma, Lumina2, AuraFlow."""

from __future__ import annotations

from typing import Any

from tests.tiny import parts, words


def pixart_sigma(seed: int = 0) -> Any:
    """PixArt-Sigma: T5, SDXL's VAE, predicts noise and variance; 256 pixels, the least its class bins to."""
    from diffusers import DPMSolverMultistepScheduler, PixArtSigmaPipeline, PixArtTransformer2DModel

    tokenizer = words.t5_tokenizer()
    transformer = PixArtTransformer2DModel(
        num_attention_heads=1,
        attention_head_dim=16,
        num_layers=1,
        cross_attention_dim=16,
        caption_channels=32,
        sample_size=32,
        use_additional_conditions=False,
    )
    return PixArtSigmaPipeline(
        tokenizer=tokenizer,
        text_encoder=parts.fill(parts.t5_text(tokenizer), seed),
        vae=parts.fill(parts.sdxl_vae(), parts.VAE_SEED),
        transformer=parts.fill(transformer, seed),
        scheduler=DPMSolverMultistepScheduler(beta_start=0.0001, beta_end=0.02, beta_schedule="linear"),
    )


def lumina2(seed: int = 0) -> Any:
    """Lumina Image 2: Gemma 2 as text encoder, Flux's VAE."""
    from diffusers import FlowMatchEulerDiscreteScheduler, Lumina2Pipeline, Lumina2Transformer2DModel
    from transformers import Gemma2Config, Gemma2Model

    tokenizer = words.gemma_tokenizer()
    config = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=512,
        sliding_window=512,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    transformer = Lumina2Transformer2DModel(
        sample_size=16,
        hidden_size=16,
        num_layers=1,
        num_refiner_layers=1,
        num_attention_heads=1,
        num_kv_heads=1,
        multiple_of=16,
        axes_dim_rope=(4, 6, 6),
        axes_lens=(512, 128, 128),
        cap_feat_dim=16,
    )
    return Lumina2Pipeline(
        transformer=parts.fill(transformer, seed),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=6.0),
        vae=parts.fill(parts.flux_vae(), parts.VAE_SEED),
        text_encoder=parts.fill(Gemma2Model(config), seed),
        tokenizer=tokenizer,
    )


def auraflow(seed: int = 0) -> Any:
    """AuraFlow: UMT5 as text encoder, SDXL's VAE, flow matching."""
    from diffusers import AuraFlowPipeline, AuraFlowTransformer2DModel, FlowMatchEulerDiscreteScheduler

    tokenizer = words.t5_tokenizer(256)
    transformer = AuraFlowTransformer2DModel(
        sample_size=16,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pos_embed_max_size=4096,
    )
    return AuraFlowPipeline(
        tokenizer=tokenizer,
        text_encoder=parts.fill(parts.t5_text(tokenizer, umt5=True), seed),
        vae=parts.fill(parts.sdxl_vae(), parts.VAE_SEED),
        transformer=parts.fill(transformer, seed),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.73),
    )
