"""Tiny pipelines of the flow-matching families: SD3, Flux.1, Flux.2, Qwen-Image, Z-Image."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from tests.tiny import parts, words
from tests.tiny.diffusion import image_encoder


def _flow(**config: Any) -> Any:
    """The flow-matching Euler scheduler with published settings."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**config)


DYNAMIC = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}


def sd3(seed: int = 0) -> Any:
    """Stable Diffusion 3: two CLIPs and a T5."""
    import torch
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    tokenizer, tokenizer_2 = words.clip_tokenizer(), words.clip_tokenizer(pad_token="!")
    tokenizer_3 = words.t5_tokenizer()
    transformer = SD3Transformer2DModel(
        sample_size=16,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        joint_attention_dim=48,
        caption_projection_dim=16,
        pooled_projection_dim=48,
        pos_embed_max_size=64,
    )
    text_encoder = parts.fill(parts.clip_text(tokenizer, projection=16, hidden_size=16), seed)
    text_encoder.text_projection.weight.copy_(torch.eye(16))  # as published: single files leave it out
    return StableDiffusion3Pipeline(
        transformer=parts.fill(transformer, seed),
        scheduler=_flow(shift=3.0),
        vae=parts.fill(parts.sd3_vae(), parts.VAE_SEED),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        text_encoder_2=parts.fill(parts.clip_text(tokenizer_2, projection=32), seed + 1),
        tokenizer_2=tokenizer_2,
        text_encoder_3=parts.fill(parts.t5_text(tokenizer_3, d_model=48), seed),
        tokenizer_3=tokenizer_3,
    )


def deep_sd3(seed: int = 0) -> Any:
    """The same of two blocks: a ControlNet changes all but the last, and PAG the second."""
    made = sd3(seed)
    config = {**made.transformer.config, "num_layers": 2}
    made.transformer = parts.fill(type(made.transformer).from_config(config), seed)
    return made


def flux(seed: int = 0, *, schnell: bool = False) -> Any:
    """Flux.1: dev with its guidance embedding, or schnell without it and with fixed sigmas."""
    from diffusers import FluxPipeline, FluxTransformer2DModel

    tokenizer, tokenizer_2 = words.clip_tokenizer(), words.t5_tokenizer()
    transformer = FluxTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        guidance_embeds=not schnell,
        axes_dims_rope=(4, 6, 6),
    )
    return FluxPipeline(
        scheduler=_flow(shift=1.0) if schnell else _flow(**DYNAMIC),
        vae=parts.fill(parts.flux_vae(), parts.VAE_SEED),
        text_encoder=parts.fill(parts.clip_text(tokenizer), seed),
        tokenizer=tokenizer,
        text_encoder_2=parts.fill(parts.t5_text(tokenizer_2), seed),
        tokenizer_2=tokenizer_2,
        transformer=parts.fill(transformer, seed),
    )


def flux_schnell(seed: int = 0) -> Any:
    """Flux.1 schnell."""
    return flux(seed, schnell=True)


def _flux2_vae() -> Any:
    """Flux.2's VAE: 32 channels, its scale in batch-norm statistics over 128 patchified channels."""
    import torch
    from diffusers import AutoencoderKLFlux2

    vae = AutoencoderKLFlux2(
        block_out_channels=parts.VAE_CHANNELS, layers_per_block=1, norm_num_groups=4, sample_size=64, latent_channels=32
    )
    parts.fill(vae, parts.VAE_SEED)
    generator = torch.Generator().manual_seed(parts.VAE_SEED)
    vae.bn.running_mean.copy_(torch.randn(128, generator=generator) / 10)
    vae.bn.running_var.copy_(1 + torch.rand(128, generator=generator))
    return vae


def _flux2_transformer(*, guidance_embeds: bool) -> Any:
    """Flux.2's transformer over text of 3 x 16 channels."""
    from diffusers import Flux2Transformer2DModel

    return Flux2Transformer2DModel(
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        joint_attention_dim=48,
        timestep_guidance_channels=32,
        mlp_ratio=2.0,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=guidance_embeds,
    )


def flux2(seed: int = 0) -> Any:
    """Flux.2 dev: Mistral 3 as text encoder (hidden states 10, 20 and 30 are read, so it has 30 layers)."""
    from diffusers import Flux2Pipeline
    from transformers import Mistral3Config, Mistral3ForConditionalGeneration, MistralConfig, PixtralVisionConfig

    tokenizer = words.mistral_tokenizer()
    text = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=30,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=1024,
        sliding_window=None,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    vision = PixtralVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16
    )
    config = Mistral3Config(
        text_config=text,
        vision_config=vision,
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=2,
    )
    return Flux2Pipeline(
        scheduler=_flow(**DYNAMIC),
        vae=_flux2_vae(),
        text_encoder=parts.fill(Mistral3ForConditionalGeneration(config), seed),
        tokenizer=tokenizer,
        transformer=parts.fill(_flux2_transformer(guidance_embeds=True), seed),
    )


def _qwen3(tokenizer: Any, *, layers: int) -> Any:
    """A Qwen 3 configuration of ``layers`` layers and 16 channels."""
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def flux2_klein(seed: int = 0) -> Any:
    """Flux.2 Klein, the undistilled one: Qwen 3 as text encoder (hidden states 9, 18 and 27), true guidance."""
    from diffusers import Flux2KleinPipeline
    from transformers import Qwen3ForCausalLM

    tokenizer = words.qwen2_tokenizer(512)
    return Flux2KleinPipeline(
        scheduler=_flow(**DYNAMIC),
        vae=_flux2_vae(),
        text_encoder=parts.fill(Qwen3ForCausalLM(_qwen3(tokenizer, layers=27)), seed),
        tokenizer=tokenizer,
        transformer=parts.fill(_flux2_transformer(guidance_embeds=False), seed),
        is_distilled=False,
    )


def qwen_image(seed: int = 0) -> Any:
    """Qwen-Image: Qwen 2.5 VL as text encoder, the VAE of Wan 2.1 with per-channel means and deviations."""
    from diffusers import AutoencoderKLQwenImage, QwenImagePipeline, QwenImageTransformer2DModel
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer = words.qwen2_tokenizer()
    end = {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.eos_token_id}
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 2048,
            "rope_scaling": {"rope_type": "default", "mrope_section": [1, 1, 2]},
            "pad_token_id": tokenizer.pad_token_id,
            **end,
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "fullatt_block_indexes": [0],
        },
        **end,
    )
    transformer = QwenImageTransformer2DModel(
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        joint_attention_dim=16,
        axes_dims_rope=(4, 6, 6),
    )
    vae = AutoencoderKLQwenImage(base_dim=4, dim_mult=[1, 1, 2, 2], num_res_blocks=1)
    schedule = {"base_shift": 0.5, "max_shift": 0.9, "base_image_seq_len": 256, "max_image_seq_len": 8192}
    return QwenImagePipeline(
        scheduler=_flow(use_dynamic_shifting=True, shift_terminal=0.02, **schedule),
        vae=parts.fill(vae, parts.VAE_SEED),
        text_encoder=parts.fill(Qwen2_5_VLForConditionalGeneration(config), seed),
        tokenizer=tokenizer,
        transformer=parts.fill(transformer, seed),
    )


def z_image(seed: int = 0) -> Any:
    """Z-Image: Qwen 3 as text encoder (the last hidden states but one), Flux's VAE."""
    from diffusers import ZImagePipeline, ZImageTransformer2DModel
    from transformers import Qwen3Model

    tokenizer = words.qwen2_tokenizer(512)
    transformer = ZImageTransformer2DModel(
        dim=16,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=1,
        n_kv_heads=1,
        cap_feat_dim=16,
        axes_dims=[4, 6, 6],
        axes_lens=[1024, 128, 128],
    )
    return ZImagePipeline(
        scheduler=_flow(shift=3.0),
        vae=parts.fill(parts.flux_vae(), parts.VAE_SEED),
        text_encoder=parts.fill(Qwen3Model(_qwen3(tokenizer, layers=2)), seed),
        tokenizer=tokenizer,
        transformer=parts.fill(transformer, seed),
    )


def flux_ip_adapter(folder: str | Path, transformer: Any, seed: int = 0) -> Path:
    """Write an IP-Adapter for Flux.1 with its image encoder, in the names that its files have, and return its file."""
    width, inner = int(transformer.config.joint_attention_dim), int(transformer.inner_dim)
    shapes = {"proj.weight": (4 * width, 16), "proj.bias": (4 * width,), "norm.weight": (width,), "norm.bias": (width,)}
    named = {f"ip_adapter_proj_model.{name}": shape for name, shape in shapes.items()}
    for block in range(int(transformer.config.num_layers)):
        for kind in ("k", "v"):
            one = f"double_blocks.{block}.processor.ip_adapter_double_stream_{kind}_proj"
            named |= {f"{one}.weight": (inner, width), f"{one}.bias": (inner,)}
    return _adapter_file(Path(folder), {name: _random(shape, seed, name) for name, shape in named.items()}, seed)


def sd3_ip_adapter(folder: str | Path, transformer: Any, seed: int = 0) -> Path:
    """Write an IP-Adapter for SD3 with SigLIP as its image encoder to a folder, and return its file."""
    from diffusers.models.attention_processor import SD3IPAdapterJointAttnProcessor2_0
    from diffusers.models.embeddings import IPAdapterTimeImageProjection

    inner = int(transformer.config.attention_head_dim * transformer.config.num_attention_heads)
    projection = IPAdapterTimeImageProjection(24, inner, hidden_dim=64, heads=1, num_queries=4, timestep_in_dim=32)
    tensors = {f"image_proj.{name}": value for name, value in parts.fill(projection, seed).state_dict().items()}
    for block in range(len(transformer.attn_processors)):
        layer = SD3IPAdapterJointAttnProcessor2_0(inner, inner, transformer.config.attention_head_dim, 64)
        own = parts.fill(layer, seed + block).state_dict()
        tensors |= {f"ip_adapter.{block}.{name}": value for name, value in own.items()}
    return _adapter_file(Path(folder), tensors, seed, siglip=True)


def _random(shape: tuple[int, ...], seed: int, name: str) -> Any:
    import torch

    generator = torch.Generator().manual_seed(seed * 1_000_003 + zlib.crc32(name.encode()))
    return torch.randn(shape, generator=generator) / shape[-1] ** 0.5


def _adapter_file(folder: Path, tensors: dict[str, Any], seed: int, *, siglip: bool = False) -> Path:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in tensors.items()}, str(folder / "ip-adapter.safetensors"))
    if not siglip:
        image_encoder(folder / "image_encoder", seed)
        return folder / "ip-adapter.safetensors"
    from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel

    config = SiglipVisionConfig(
        hidden_size=24, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    parts.fill(SiglipVisionModel(config), seed).save_pretrained(folder / "image_encoder")
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder / "image_encoder")
    return folder / "ip-adapter.safetensors"


def sd3_controlnet(seed: int = 0) -> Any:
    """A ControlNet that fits ``sd3``."""
    from diffusers import SD3ControlNetModel

    made = SD3ControlNetModel(
        sample_size=16, num_layers=1, attention_head_dim=16, num_attention_heads=1, joint_attention_dim=48,
        caption_projection_dim=16, pooled_projection_dim=48, pos_embed_max_size=64,
    )  # fmt: skip
    return parts.fill(made, seed)


def flux_controlnet(seed: int = 0, modes: int | None = None) -> Any:
    """A ControlNet that fits ``flux``, of several modes where `modes` says how many."""
    from diffusers import FluxControlNetModel

    made = FluxControlNetModel(
        in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=1,
        joint_attention_dim=32, pooled_projection_dim=32, guidance_embeds=True, axes_dims_rope=(4, 6, 6),
        num_mode=modes,
    )  # fmt: skip
    return parts.fill(made, seed)


def qwen_controlnet(seed: int = 0) -> Any:
    """A ControlNet that fits ``qwen-image``."""
    from diffusers import QwenImageControlNetModel

    made = QwenImageControlNetModel(
        num_layers=1, attention_head_dim=16, num_attention_heads=1, joint_attention_dim=16, axes_dims_rope=(4, 6, 6)
    )
    return parts.fill(made, seed)
