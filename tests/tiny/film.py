"""Tiny pipelines of the families that make clips: Wan from texts and from pictures, LTX-Video, CogVideoX."""

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


def cogvideox(seed: int = 0, **config: Any) -> Any:
    """CogVideoX: frames before channels, noise predicted as velocity."""
    from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXPipeline, CogVideoXTransformer3DModel

    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
        scaling_factor=1.15258426,
    )
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        time_embed_dim=2,
        text_embed_dim=32,
        num_layers=1,
        sample_width=8,
        sample_height=8,
        sample_frames=9,
        patch_size=2,
        temporal_compression_ratio=4,
        max_text_seq_length=226,
        use_rotary_positional_embeddings=True,
        **config,
    )
    tokenizer = words.t5_tokenizer()
    return CogVideoXPipeline(
        tokenizer=tokenizer,
        text_encoder=parts.fill(parts.t5_text(tokenizer), seed),
        vae=parts.fill(vae, parts.VAE_SEED),
        transformer=parts.fill(transformer, seed),
        scheduler=CogVideoXDDIMScheduler(
            beta_schedule="scaled_linear", prediction_type="v_prediction", rescale_betas_zero_snr=True,
            snr_shift_scale=3.0, timestep_spacing="trailing", set_alpha_to_one=True, clip_sample=False,
        ),
    )  # fmt: skip


def hunyuan_video(seed: int = 0) -> Any:
    """HunyuanVideo: a Llama and a CLIP as text encoders, its guidance embedded."""
    from diffusers import (
        AutoencoderKLHunyuanVideo,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideoPipeline,
        HunyuanVideoTransformer3DModel,
    )
    from transformers import LlamaConfig, LlamaModel

    vae = AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=2
    )
    transformer = HunyuanVideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=10,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        text_embed_dim=16,
        pooled_projection_dim=32,
        rope_axes_dim=(2, 4, 4),
    )
    tokenizer, tokenizer_2 = words.mistral_tokenizer(), words.clip_tokenizer()
    tokenizer.truncation_side = "left"  # the template has more of its letters than there is room for
    llama = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        pad_token_id=tokenizer.pad_token_id,
    )
    return HunyuanVideoPipeline(
        text_encoder=parts.fill(LlamaModel(llama), seed),
        tokenizer=tokenizer,
        transformer=parts.fill(transformer, seed),
        vae=parts.fill(vae, parts.VAE_SEED),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder_2=parts.fill(parts.clip_text(tokenizer_2), seed),
        tokenizer_2=tokenizer_2,
    )


def ltx(seed: int = 0) -> Any:
    """LTX-Video: every latent pixel a token, the means and deviations of its VAE among the weights."""
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXPipeline,
        LTXVideoTransformer3DModel,
    )

    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        patch_size=2,
        patch_size_t=1,
        timestep_conditioning=False,
        down_block_types=("LTXVideoDownBlock3D",) * 4,
    )
    parts.fill(vae, parts.VAE_SEED)
    _scatter(vae)
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        num_layers=1,
        caption_channels=32,
    )
    tokenizer = words.t5_tokenizer()
    return LTXPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, base_image_seq_len=1024, shift_terminal=0.1
        ),
        vae=vae,
        text_encoder=parts.fill(parts.t5_text(tokenizer), seed),
        tokenizer=tokenizer,
        transformer=parts.fill(transformer, seed),
    )


def ltx_condition(seed: int = 0) -> Any:
    """LTX-Video from 0.9.5 on: its timesteps fall slowly at first."""
    from diffusers import FlowMatchEulerDiscreteScheduler, LTXConditionPipeline

    parts_of = {**ltx(seed).components, "scheduler": FlowMatchEulerDiscreteScheduler()}
    return LTXConditionPipeline(**parts_of)


def _vision(seed: int, width: int = 16) -> dict[str, Any]:
    """The picture encoder of Wan 2.1's image-to-video models."""
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
    )
    size = {"shortest_edge": 28}
    return {
        "image_encoder": parts.fill(CLIPVisionModel(config), seed),
        "image_processor": CLIPImageProcessor(size=size, crop_size={"height": 28, "width": 28}),
    }


def wan21_i2v(seed: int = 0) -> Any:
    """Wan 2.1, image to video: the picture goes in as latents beside the noise, and as embeddings."""
    from diffusers import WanImageToVideoPipeline

    transformer = _wan_transformer(seed, 36, out_channels=16, image_dim=16, added_kv_proj_dim=24)
    return WanImageToVideoPipeline(
        **_text(seed), **_vision(seed), vae=_wan_vae(), scheduler=_uni_pc(), transformer=transformer
    )


def wan22_i2v(seed: int = 0) -> Any:
    """Wan 2.2, image to video: two experts, and no picture encoder."""
    from diffusers import WanImageToVideoPipeline

    first, second = (_wan_transformer(own, 36, out_channels=16) for own in (seed, seed + 1))
    return WanImageToVideoPipeline(
        **_text(seed),
        image_encoder=None,
        image_processor=None,
        vae=_wan_vae(),
        scheduler=_uni_pc(),
        transformer=first,
        transformer_2=second,
        boundary_ratio=0.875,
    )


def wan22_ti2v(seed: int = 0) -> Any:
    """Wan 2.2 TI2V-5B: 48 channels, factor 16, a timestep for each token; with a picture its first frame stays."""
    from diffusers import WanPipeline

    vae = _wan_vae(
        z_dim=8,
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
        latents_mean=[0.1 * number for number in range(8)],
        latents_std=[1.0 + 0.1 * number for number in range(8)],
    )
    return WanPipeline(
        **_text(seed),
        vae=vae,
        scheduler=_uni_pc(),
        transformer=_wan_transformer(seed, 8),
        transformer_2=None,
        expand_timesteps=True,
    )


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


def cogvideox15(seed: int = 0) -> Any:
    """CogVideoX 1.5: its denoiser takes two latent frames at a time."""
    return cogvideox(seed, patch_size_t=2, patch_bias=False)


def hunyuan_video15(seed: int = 0) -> Any:
    """HunyuanVideo 1.5: Qwen 2.5 VL and ByT5 as text encoders, its guidance a part of its own, no callback."""
    from diffusers import (
        AutoencoderKLHunyuanVideo15,
        ClassifierFreeGuidance,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideo15Pipeline,
        HunyuanVideo15Transformer3DModel,
    )
    from transformers import ByT5Tokenizer, Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel

    vae = AutoencoderKLHunyuanVideo15(latent_channels=4, block_out_channels=(8, 8, 8, 8, 8), layers_per_block=1)
    transformer = HunyuanVideo15Transformer3DModel(
        in_channels=9,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=1,
        num_refiner_layers=1,
        text_embed_dim=16,
        text_embed_2_dim=32,
        image_embed_dim=12,
        rope_axes_dim=(4, 6, 6),
        target_size=64,
        task_type="t2v",
    )
    tokenizer, tokenizer_2 = words.qwen2_tokenizer(2048), ByT5Tokenizer(extra_ids=0)
    tokenizer.truncation_side = "left"  # the template has more of its letters than there is room for
    qwen = Qwen2_5_VLTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        rope_scaling={"rope_type": "default", "mrope_section": [1, 1, 2]},
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.eos_token_id,
    )
    return HunyuanVideo15Pipeline(
        text_encoder=parts.fill(Qwen2_5_VLTextModel(qwen), seed),
        tokenizer=tokenizer,
        transformer=parts.fill(transformer, seed),
        vae=parts.fill(vae, parts.VAE_SEED),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=5.0),
        text_encoder_2=parts.fill(parts.t5_text(tokenizer_2), seed),
        tokenizer_2=tokenizer_2,
        guider=ClassifierFreeGuidance(guidance_scale=6.0),
    )


def ltx2(seed: int = 0) -> Any:
    """LTX-2: a clip and its sound, each with latents of its own; Gemma 3 as text encoder."""
    from diffusers import (
        AutoencoderKLLTX2Audio,
        AutoencoderKLLTX2Video,
        FlowMatchEulerDiscreteScheduler,
        LTX2Pipeline,
        LTX2VideoTransformer3DModel,
    )
    from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder

    encoder, tokenizer = _gemma3(seed), words.gemma_tokenizer()
    vae = AutoencoderKLLTX2Video(
        latent_channels=4,
        block_out_channels=(8, 8, 8),
        down_block_types=("LTX2VideoDownBlock3D",) * 3,
        decoder_block_out_channels=(8, 8),
        layers_per_block=(1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        spatio_temporal_scaling=(True, True, False),
        decoder_spatio_temporal_scaling=(True, True),
        decoder_inject_noise=(False, False, False),
        downsample_type=("spatiotemporal", "spatiotemporal", "spatial"),
        upsample_type=("spatiotemporal", "spatiotemporal"),
        upsample_residual=(False, False),
        upsample_factor=(1, 1),
        patch_size=2,
        decoder_causal=False,
    )
    audio_vae = AutoencoderKLLTX2Audio(
        base_channels=8,
        ch_mult=(1,),
        num_res_blocks=1,
        resolution=32,
        latent_channels=4,
        mel_bins=8,
    )
    for one in (vae, audio_vae):
        parts.fill(one, parts.VAE_SEED)
        _scatter(one)
    transformer = LTX2VideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        vae_scale_factors=(4, 8, 8),
        audio_in_channels=8,
        audio_out_channels=8,
        audio_num_attention_heads=2,
        audio_attention_head_dim=4,
        audio_cross_attention_dim=8,
        num_layers=1,
        caption_channels=16,
        rope_double_precision=False,
        rope_type="split",
    )
    heads = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1, "num_learnable_registers": None}
    connectors = LTX2TextConnectors(
        caption_channels=16,
        text_proj_in_factor=2,
        **{f"{kind}_connector_{name}": value for kind in ("video", "audio") for name, value in heads.items()},
        connector_rope_base_seq_len=32,
        rope_double_precision=False,
        rope_type="split",
    )
    vocoder = LTX2Vocoder(
        in_channels=16,
        hidden_channels=16,
        upsample_kernel_sizes=[4, 4],
        upsample_factors=[2, 2],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3, 5]],
        output_sampling_rate=16000,
    )
    return LTX2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, base_image_seq_len=1024, shift_terminal=0.1
        ),
        vae=vae,
        audio_vae=audio_vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        connectors=parts.fill(connectors, seed),
        transformer=parts.fill(transformer, seed),
        vocoder=parts.fill(vocoder, seed),
    )


def _gemma3(seed: int) -> Any:
    """Gemma 3 of one layer."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    config = Gemma3Config(
        text_config={
            "vocab_size": len(words.gemma_tokenizer()),
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "max_position_embeddings": 1024,
        },
        vision_config={
            "hidden_size": 8,
            "intermediate_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "image_size": 28,
            "patch_size": 14,
        },
        mm_tokens_per_image=4,
    )
    return parts.fill(Gemma3ForConditionalGeneration(config), seed)


def _scatter(vae: Any) -> None:
    """Means and deviations among the weights of a VAE that are not 0 and 1."""
    import torch

    generator = torch.Generator().manual_seed(parts.VAE_SEED)
    vae.latents_mean.copy_(torch.randn(vae.latents_mean.shape, generator=generator) / 10)
    vae.latents_std.copy_(1 + torch.rand(vae.latents_std.shape, generator=generator))


def skyreels(seed: int = 0) -> Any:
    """SkyReels V2, text to video: Wan's VAE and texts, a denoiser of its own."""
    from diffusers import SkyReelsV2Pipeline, SkyReelsV2Transformer3DModel

    transformer = SkyReelsV2Transformer3DModel(
        num_attention_heads=2, attention_head_dim=12, text_dim=32, freq_dim=16, ffn_dim=32, num_layers=1,
        rope_max_seq_len=32,
    )  # fmt: skip
    return SkyReelsV2Pipeline(
        **_text(seed), vae=_wan_vae(), scheduler=_uni_pc(8.0), transformer=parts.fill(transformer, seed)
    )
