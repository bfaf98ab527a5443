"""Prints the tables of ``docs/memory.md``, from shells of the published models without their weights.

Run: ``python -m tests.tables.memory``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

WORKING, WORKING_ALONE = 2.7, 1.0
"""Gigabytes beside the weights: measured with SDXL 2.7, while it decodes, and 0.5 where its parts are there alone."""
CLIP = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
BIG_CLIP = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20,
    "projection_dim": 1280,
}  # fmt: skip
T5 = {"vocab_size": 32_128, "d_model": 4096, "d_ff": 10_240, "d_kv": 64, "num_layers": 24, "num_heads": 64,
      "feed_forward_proj": "gated-gelu"}  # fmt: skip
VAE = {
    "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
}  # fmt: skip
XL = {"use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 256}
CROSS, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"


def _unet(down: tuple[str, ...], **config: Any) -> tuple[str, dict[str, Any]]:
    up = tuple(name.replace("Down", "Up") for name in reversed(down))
    return "UNet2DConditionModel", {"down_block_types": down, "up_block_types": up, **config}


MODELS: Mapping[str, Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "SD 1.5": {
        "unet": _unet((CROSS, CROSS, CROSS, PLAIN), cross_attention_dim=768, attention_head_dim=8),
        "text_encoder": ("CLIPTextModel", CLIP),
        "vae": ("AutoencoderKL", VAE),
    },
    "SDXL": {
        "unet": _unet(
            (PLAIN, CROSS, CROSS), block_out_channels=(320, 640, 1280), transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20), cross_attention_dim=2048, projection_class_embeddings_input_dim=2816, **XL,
        ),
        "text_encoder": ("CLIPTextModel", CLIP),
        "text_encoder_2": ("CLIPTextModelWithProjection", BIG_CLIP),
        "vae": ("AutoencoderKL", VAE),
    },
    "SDXL refiner": {
        "unet": _unet(
            (PLAIN, CROSS, CROSS, PLAIN), block_out_channels=(384, 768, 1536, 1536), transformer_layers_per_block=4,
            attention_head_dim=(6, 12, 24, 24), cross_attention_dim=1280, projection_class_embeddings_input_dim=2560,
            **XL,
        ),
        "text_encoder_2": ("CLIPTextModelWithProjection", BIG_CLIP),
        "vae": ("AutoencoderKL", VAE),
    },
    "SD3 medium": {
        "transformer": (
            "SD3Transformer2DModel",
            {"sample_size": 128, "num_layers": 24, "num_attention_heads": 24, "attention_head_dim": 64,
             "joint_attention_dim": 4096, "caption_projection_dim": 1536, "pooled_projection_dim": 2048,
             "pos_embed_max_size": 192},
        ),
        "text_encoder": ("CLIPTextModelWithProjection", {**CLIP, "projection_dim": 768}),
        "text_encoder_2": ("CLIPTextModelWithProjection", BIG_CLIP),
        "text_encoder_3": ("T5EncoderModel", T5),
        "vae": ("AutoencoderKL", {**VAE, "latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}),
    },
    "Flux.1 dev": {
        "transformer": ("FluxTransformer2DModel", {"guidance_embeds": True}),
        "text_encoder": ("CLIPTextModel", CLIP),
        "text_encoder_2": ("T5EncoderModel", T5),
        "vae": ("AutoencoderKL", {**VAE, "latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}),
    },
    "Wan 2.1 1.3B": {
        "transformer": ("WanTransformer3DModel", {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}),
        "text_encoder": ("UMT5EncoderModel", {**T5, "vocab_size": 256_384}),
        "vae": ("AutoencoderKLWan", {}),
    },
}  # fmt: skip
"""Parts of published models as their configurations have them; what is left out is the class's own default."""

WAYS: tuple[tuple[str, float, bool], ...] = (
    ("nothing", 1, False),
    ("`--model-cpu-offload`", 1, True),
    ("`--model-cpu-offload --quantizer bnb;bits=8`", 0.5, True),
    ("`--model-cpu-offload --quantizer bnb;bits=4`", 0.25, True),
)
"""What to take, the share of 16-bit weights that is left, and whether one part is on the card at a time."""


def values(class_name: str, config: Mapping[str, Any]) -> int:
    """How many numbers a part's weights are; nothing is allocated."""
    import diffusers
    import torch
    import transformers

    with torch.device("meta"):
        if hasattr(diffusers, class_name):
            part = getattr(diffusers, class_name)(**config)
        else:
            kind = getattr(transformers, class_name)
            part = kind(kind.config_class(**config))
    tensors = {id(tensor): tensor for tensor in part.state_dict(keep_vars=True).values()}  # tied ones once, as in files
    return sum(tensor.numel() for tensor in tensors.values())


@cache
def counted() -> dict[str, dict[str, int]]:
    """Model to part to how many numbers its weights are."""
    return {name: {part: values(*row) for part, row in parts.items()} for name, parts in MODELS.items()}


def _sizes() -> str:
    lines = ["| | denoiser | text encoders | VAE | float32 | 16 bits | 8 bits | 4 bits | largest part, 16 bits |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for name, parts in counted().items():
        text = sum(count for part, count in parts.items() if part.startswith("text"))
        denoiser = next(count for part, count in parts.items() if part in ("unet", "transformer"))
        total, packed = sum(parts.values()), denoiser + text
        cells = [f"{count / 1e9:.2f} G" for count in (denoiser, text, parts["vae"])]
        sizes = [
            total * 4,
            total * 2,
            packed + parts["vae"] * 2,
            packed / 2 + parts["vae"] * 2,
            max(parts.values()) * 2,
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {' | '.join(f'{size / 1e9:.1f} GB' for size in sizes)} |")
    return "\n".join(lines)


def way(parts: Mapping[str, int], card: float) -> str:
    """The first of `WAYS` that fits a card of so many gigabytes, by the weights and what it works with."""
    for name, share, single in WAYS:
        sizes = [count * 2 * (1 if part == "vae" else share) / 1e9 for part, count in parts.items()]
        if (max(sizes) + WORKING_ALONE if single else sum(sizes) + WORKING) <= card:
            return name
    return "`--model-sequential-offload`"


def _ways() -> str:
    cards = (8, 12, 16, 24)
    lines = ["| | " + " | ".join(f"{card} GB" for card in cards) + " |", "|---|" + "---|" * len(cards)]
    lines += [f"| {name} | {' | '.join(way(parts, card) for card in cards)} |" for name, parts in counted().items()]
    return "\n".join(lines)


def tables() -> tuple[str, str]:
    """What the weights take, and what to take where."""
    return _sizes(), _ways()


if __name__ == "__main__":
    print("\n\n".join(tables()))
