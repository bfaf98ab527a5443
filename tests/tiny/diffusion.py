"""Tiny pipelines with a U-Net: Stable Diffusion 1.5 and 2.x, SDXL, its refiner, Kolors; a ControlNet and a LoRA."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.tiny import parts, words

UNET: dict[str, Any] = {
    "sample_size": 8,
    "block_out_channels": (8, 16),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D"),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 2,
}
"""Attention at half of the latents' resolution alone, on the way down and in the middle: 1024 pixels are quick."""

SCALED_LINEAR = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def sd15(seed: int = 0) -> Any:
    """Stable Diffusion 1.5: predicts noise."""
    from diffusers import PNDMScheduler

    scheduler = PNDMScheduler(
        **SCALED_LINEAR, skip_prk_steps=True, steps_offset=1, set_alpha_to_one=False, prediction_type="epsilon"
    )
    return _stable_diffusion(seed, scheduler, {})


def sd2(seed: int = 0) -> Any:
    """Stable Diffusion 2.x: predicts velocity, linear projections in its attention."""
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(
        **SCALED_LINEAR, clip_sample=False, steps_offset=1, set_alpha_to_one=False, prediction_type="v_prediction"
    )
    return _stable_diffusion(seed, scheduler, {"use_linear_projection": True}, pad_token="!")


def _stable_diffusion(seed: int, scheduler: Any, unet: dict[str, Any], pad_token: str = "<|endoftext|>") -> Any:
    """A StableDiffusionPipeline without a safety checker."""
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel

    tokenizer = words.clip_tokenizer(pad_token)
    return StableDiffusionPipeline(
        vae=parts.fill(parts.sd_vae(), parts.VAE_SEED),
        text_encoder=parts.fill(parts.clip_text(tokenizer), seed),
        tokenizer=tokenizer,
        unet=parts.fill(UNet2DConditionModel(**UNET, cross_attention_dim=32, **unet), seed),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _xl_unet(*, context: int, pooled: int, ids: int, **config: Any) -> Any:
    """The U-Net of the SDXL branch: ``context`` channels of text, ``pooled`` of its summary, ``ids`` size numbers."""
    from diffusers import UNet2DConditionModel

    settings = {
        "cross_attention_dim": context,
        "use_linear_projection": True,
        "transformer_layers_per_block": (1, 2),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": pooled + 8 * ids,
    }
    return UNet2DConditionModel(**{**UNET, "sample_size": 16, **settings, **config})


def _euler(**config: Any) -> Any:
    """SDXL's published scheduler."""
    from diffusers import EulerDiscreteScheduler

    return EulerDiscreteScheduler(
        **{**SCALED_LINEAR, "steps_offset": 1, "timestep_spacing": "leading", "prediction_type": "epsilon", **config}
    )


def _big_clip(tokenizer: Any) -> Any:
    """SDXL's second text encoder: ten layers, as a single file is known by the tenth, and not as wide as the first."""
    return parts.clip_text(tokenizer, projection=16, hidden_size=16, layers=10)


def sdxl(seed: int = 0) -> Any:
    """SDXL base: two text encoders, six size numbers."""
    from diffusers import StableDiffusionXLPipeline

    tokenizer, tokenizer_2 = words.clip_tokenizer(), words.clip_tokenizer(pad_token="!")
    return StableDiffusionXLPipeline(
        vae=parts.fill(parts.sdxl_vae(), parts.VAE_SEED),
        text_encoder=parts.fill(parts.clip_text(tokenizer), seed),
        text_encoder_2=parts.fill(_big_clip(tokenizer_2), seed + 1),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        unet=parts.fill(_xl_unet(context=48, pooled=16, ids=6), seed),
        scheduler=_euler(),
        add_watermarker=False,
    )


def sdxl_refiner(seed: int = 0) -> Any:
    """SDXL refiner: the second text encoder only, five size numbers with an aesthetic score, SDXL's own VAE."""
    from diffusers import StableDiffusionXLImg2ImgPipeline

    tokenizer_2 = words.clip_tokenizer(pad_token="!")
    return StableDiffusionXLImg2ImgPipeline(
        vae=parts.fill(parts.sdxl_vae(), parts.VAE_SEED),
        text_encoder=None,
        text_encoder_2=parts.fill(_big_clip(tokenizer_2), seed + 1),
        tokenizer=None,
        tokenizer_2=tokenizer_2,
        unet=parts.fill(_xl_unet(context=16, pooled=16, ids=5), seed + 2),
        scheduler=_euler(),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )


def kolors(seed: int = 0) -> Any:
    """Kolors: a ChatGLM text encoder, 1100 training steps, SDXL's VAE."""
    from diffusers import KolorsPipeline
    from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig, ChatGLMModel

    tokenizer = words.chatglm_tokenizer()
    config = ChatGLMConfig(
        num_layers=2,
        padded_vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        ffn_hidden_size=32,
        kv_channels=16,
        num_attention_heads=2,
        seq_length=256,
        multi_query_attention=True,
        multi_query_group_num=1,
        add_qkv_bias=True,
        original_rope=True,
        apply_residual_connection_post_layernorm=False,
    )
    unet = _xl_unet(context=32, pooled=32, ids=6, encoder_hid_dim=32, encoder_hid_dim_type="text_proj")
    return KolorsPipeline(
        vae=parts.fill(parts.sdxl_vae(), parts.VAE_SEED),
        text_encoder=parts.fill(ChatGLMModel(config), seed),
        tokenizer=tokenizer,
        unet=parts.fill(unet, seed + 3),
        scheduler=_euler(beta_end=0.014, num_train_timesteps=1100),
        force_zeros_for_empty_prompt=False,
    )


def controlnet(seed: int = 0) -> Any:
    """A ``ControlNetModel`` that fits ``sd15``; its output convolutions are not zero, so it has an effect."""
    from diffusers import ControlNetModel

    settings = {key: UNET[key] for key in UNET if key not in ("sample_size", "up_block_types")}
    with parts.seeded(seed):
        model = ControlNetModel(**settings, cross_attention_dim=32, conditioning_embedding_out_channels=(8, 8, 8, 8))
    return parts.fill(model, seed)


def lora(path: str | Path, seed: int = 0, rank: int = 2, denoiser: Any = None, part: str = "unet") -> Path:
    """Write a LoRA (the denoiser's attention, peft's key names) to ``path`` and return the path.

    Args:
        path: A ``.safetensors`` file to write.
        seed: Seed of its random values.
        rank: Rank of its matrices.
        denoiser: What it is for; None for the U-Net of ``sd15``.
        part: Name of that.
    """
    import torch
    from safetensors.torch import save_file

    path = Path(path)
    denoiser = _sd15_unet() if denoiser is None else denoiser
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, module in denoiser.named_modules():
        if name.endswith(("to_q", "to_k", "to_v", "to_out.0")):
            rows, columns = module.weight.shape
            tensors[f"{part}.{name}.lora_A.weight"] = torch.randn(rank, columns, generator=generator) / 2
            tensors[f"{part}.{name}.lora_B.weight"] = torch.randn(rows, rank, generator=generator) / 2
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(path))
    return path


@functools.cache
def _sd15_unet() -> Any:
    return sd15(0).unet


def inversion(
    path: str | Path, token: str | None = "<fox>", vectors: int = 2, widths: Sequence[int] = (32,), seed: int = 0
) -> Path:
    """Write a textual inversion to ``path`` and return the path: of one width as diffusers does, of two as SDXL's.

    Args:
        path: A ``.safetensors`` file to write.
        token: Its word; None for the bare name that A1111 gives.
        vectors: How many vectors it has.
        widths: Width of the text encoders, one or two.
        seed: Seed of its random values.
    """
    import torch
    from safetensors.torch import save_file

    path = Path(path)
    generator = torch.Generator().manual_seed(seed)
    names = (token or "emb_params",) if len(widths) == 1 else ("clip_l", "clip_g")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: torch.randn(vectors, width, generator=generator) for name, width in zip(names, widths, strict=True)},
        str(path),
    )
    return path


def image_encoder(folder: str | Path, seed: int = 0) -> Path:
    """Write a CLIP image encoder of 16 pooled values, 24 a token, to a folder, and return the folder."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=24, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8,
        projection_dim=16,
    )  # fmt: skip
    parts.fill(CLIPVisionModelWithProjection(config), seed).save_pretrained(folder)
    return Path(folder)


def ip_adapter(folder: str | Path, unet: Any, seed: int = 0, name: str = "ip-adapter.safetensors") -> Path:
    """Write an IP-Adapter for a U-Net, with its image encoder beside it, to a folder, and return its file.

    Args:
        folder: The folder.
        unet: The U-Net.
        seed: Seed of its random values.
        name: Name of its file.
    """
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)
    width = int(unet.config.cross_attention_dim)
    tensors = {
        "image_proj.proj.weight": torch.randn(4 * width, 16, generator=generator) / 4,
        "image_proj.proj.bias": torch.randn(4 * width, generator=generator) / 10,
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    layers = [name for name in unet.attn_processors if "attn2" in name]
    for number, layer in enumerate(layers):
        module = unet.get_submodule(layer.removesuffix(".processor"))
        for kind in ("k", "v"):
            shape = getattr(module, f"to_{kind}").weight.shape
            values = torch.randn(shape, generator=generator) / shape[1] ** 0.5
            tensors[f"ip_adapter.{2 * number + 1}.to_{kind}_ip.weight"] = values
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(folder / name))
    image_encoder(folder / "image_encoder", seed)
    return folder / name


def sketched(*, large: bool = False, seed: int = 0) -> Any:
    """``sd15`` or ``sdxl`` with attention where a T2I-Adapter's features are added, as in the published U-Nets."""
    from diffusers import UNet2DConditionModel

    made = sdxl(seed) if large else sd15(seed)
    down = ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D")
    up = ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")
    kinds = {"down_block_types": down if large else down[::-1], "up_block_types": up if large else up[::-1]}
    config = {**made.unet.config, "block_out_channels": (8, 16, 16), **kinds}
    if large:
        config["transformer_layers_per_block"] = (1, 1, 2)
    made.unet = parts.fill(UNet2DConditionModel.from_config(config), seed)
    return made


def t2i_adapter(*, large: bool = False, seed: int = 0, grey: bool = False) -> Any:
    """A ``T2IAdapter`` that fits ``sketched``."""
    from diffusers import T2IAdapter

    kind = {"adapter_type": "full_adapter_xl" if large else "full_adapter", "downscale_factor": 16 if large else 8}
    channels = [8, 16, 16, 16] if large else [8, 16, 16]
    made = T2IAdapter(in_channels=1 if grey else 3, channels=channels, num_res_blocks=1, **kind)
    return parts.fill(made, seed)


def union_controlnet(seed: int = 0) -> Any:
    """A ``ControlNetUnionModel`` of six modes that fits ``sdxl``."""
    from diffusers import ControlNetUnionModel

    made = ControlNetUnionModel(**_xl_net(), num_trans_channel=8, num_trans_head=2, num_proj_channel=8)
    return parts.fill(made, seed)


def xl_controlnet(seed: int = 0) -> Any:
    """A ``ControlNetModel`` that fits ``sdxl``."""
    from diffusers import ControlNetModel

    return parts.fill(ControlNetModel(**_xl_net()), seed)


def _xl_net() -> dict[str, Any]:
    own = sdxl(0).unet.config
    names = ("block_out_channels", "down_block_types", "layers_per_block", "norm_num_groups", "attention_head_dim",
             "cross_attention_dim", "use_linear_projection", "transformer_layers_per_block", "addition_embed_type",
             "addition_time_embed_dim", "projection_class_embeddings_input_dim")  # fmt: skip
    return {**{name: own[name] for name in names}, "conditioning_embedding_out_channels": (8, 8, 8, 8)}


def latent_upscaler(seed: int = 0) -> Any:
    """Stable Diffusion's latent upscaler: a U-Net of its own blocks that takes the small latents beside the noise."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionLatentUpscalePipeline, UNet2DConditionModel

    tokenizer = words.clip_tokenizer()
    unet = UNet2DConditionModel(
        act_fn="gelu",
        attention_head_dim=8,
        norm_num_groups=None,
        block_out_channels=(32, 32, 64, 64),
        time_cond_proj_dim=160,
        conv_in_kernel=1,
        conv_out_kernel=1,
        cross_attention_dim=32,
        down_block_types=("KDownBlock2D",) + ("KCrossAttnDownBlock2D",) * 3,
        up_block_types=("KCrossAttnUpBlock2D",) * 3 + ("KUpBlock2D",),
        in_channels=8,
        out_channels=5,
        mid_block_type=None,
        only_cross_attention=False,
        resnet_time_scale_shift="scale_shift",
        time_embedding_type="fourier",
        timestep_post_act="gelu",
    )
    return StableDiffusionLatentUpscalePipeline(
        vae=parts.fill(parts.sd_vae(), parts.VAE_SEED),
        text_encoder=parts.fill(parts.clip_text(tokenizer), seed),
        tokenizer=tokenizer,
        unet=parts.fill(unet, seed),
        scheduler=EulerDiscreteScheduler(prediction_type="sample"),
    )
