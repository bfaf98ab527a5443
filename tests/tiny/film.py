"""Tiny pipelines of the families that make clips: Wan 2.1 and 2.2."""

from __future__ import annotations

from typing import Any

from tests.tiny import parts, words


def _wan_vae(**config: Any) -> Any:
    """Wan 2.1's VAE: 16 channels, factor 8, four frames for a latent frame but the first."""
    from diffusers import AutoencoderKLWan

    settings = {
        "base_dim": 4,
        "dim_mult": [1, 1, 2, 2],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True, True],
    }
    return parts.fill(AutoencoderKLWan(**{**settings, **config}), parts.VAE_SEED)


def _wan_transformer(seed: int, channels: int = 16, **config: Any) -> Any:
    from diffusers import WanTransformer3DModel

    settings = {
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": channels,
        "out_channels": channels,
        "text_dim": 32,
        "freq_dim": 16,
        "ffn_dim": 32,
        "num_layers": 1,
        "rope_max_seq_len": 32,
    }
    return parts.fill(WanTransformer3DModel(**{**settings, **config}), seed)


def _uni_pc(flow_shift: float = 3.0) -> Any:
    """The scheduler that Wan's models come with."""
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=flow_shift)


def _text(seed: int) -> dict[str, Any]:
    tokenizer = words.t5_tokenizer()
    return {"tokenizer": tokenizer, "text_encoder": parts.fill(parts.t5_text(tokenizer, umt5=True), seed)}


def wan21(seed: int = 0) -> Any:
    """Wan 2.1, text to video: one transformer."""
    from diffusers import WanPipeline

    return WanPipeline(
        **_text(seed), vae=_wan_vae(), scheduler=_uni_pc(), transformer=_wan_transformer(seed), transformer_2=None
    )


def wan22(seed: int = 0) -> Any:
    """Wan 2.2, text to video: an expert for the high noise levels and one for the low."""
    from diffusers import WanPipeline

    return WanPipeline(
        **_text(seed),
        vae=_wan_vae(),
        scheduler=_uni_pc(),
        transformer=_wan_transformer(seed),
        transformer_2=_wan_transformer(seed + 1),
        boundary_ratio=0.875,
    )
