"""Prints the tables of ``docs/video-memory.md``: shells of the published models run on tensors without values.

Run: ``python -m tests.tables.video_memory``; it takes a minute or two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from tests.tables.peaks import foreseen

SIZE, FRAMES, BYTES = (1280, 720), 81, 2
TILE = 256  # pixels of a tile's side, as diffusers cuts them for Wan
CARDS = (24, 16)
TEXT = 512  # tokens of a text

LARGE: Mapping[str, Any] = {
    "base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "is_residual": True, "in_channels": 12, "out_channels": 12,
    "patch_size": 2, "scale_factor_spatial": 16, "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48,
}  # fmt: skip
MODELS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "Wan 2.2 A14B": ({}, {}),
    "Wan 2.2 TI2V-5B": (
        {"num_attention_heads": 24, "in_channels": 48, "out_channels": 48, "ffn_dim": 14_336, "num_layers": 30},
        LARGE,
    ),
    "Wan 2.1 1.3B": ({"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}, {}),
}
"""Denoiser and VAE of each as the published configurations have them; what is left out is the class's own default."""


@dataclass(frozen=True)
class Memory:
    """Gigabytes of a model's parts and of what they do.

    Attributes:
        denoiser: Weights of one expert, or of the denoiser.
        layer: Those of its largest layer.
        text: Weights of the text encoder.
        vae: Weights of the VAE.
        latents: The latents, in float32.
        step: What a step makes and holds at once.
        decoding: The same of the decoding of all frames.
        tiled: The same, in tiles.
    """

    denoiser: float
    layer: float
    text: float
    vae: float
    latents: float
    step: float
    decoding: float
    tiled: float

    def ways(self) -> dict[str, float]:
        """What is at once on the accelerator, by what is asked for."""
        work = max(self.denoiser + self.step, self.vae + self.decoding, self.text)
        light = max(self.denoiser / 2 + self.step, self.vae + self.tiled, self.text / 2)
        return {
            "nothing": self.denoiser + self.text + self.vae + max(self.step, self.decoding),
            "`--model-cpu-offload`": work,
            "that and `--vae-tiling`": max(self.denoiser + self.step, self.vae + self.tiled, self.text),
            "both and `--quantizer bnb;bits=8`": light,
            "`--model-sequential-offload` and `--vae-tiling`": max(self.layer + self.step, self.vae + self.tiled),
        }


def shell(kind: Any, config: Mapping[str, Any]) -> Any:
    """A model of that class without values."""
    with torch.device("meta"):
        return kind(**config).to(torch.bfloat16).eval()


def text_values() -> int:
    """Values of Wan's text encoder."""
    from transformers import UMT5Config, UMT5EncoderModel

    config = UMT5Config(
        vocab_size=256_384, d_model=4096, d_ff=10_240, d_kv=64, num_layers=24, num_heads=64,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    with torch.device("meta"):
        return values(UMT5EncoderModel(config))


def values(module: Any) -> int:
    """How many numbers its weights are."""
    return sum(one.numel() for one in module.parameters())


def step_of(denoiser: Any, latents: torch.Tensor, text: int, tokens: int = 0) -> int:
    """Bytes that one pass of a denoiser makes and holds at once.

    Args:
        denoiser: Without values.
        latents: Likewise.
        text: Width of the text's tokens.
        tokens: Timesteps, where each token of the latents has its own.
    """
    like = {"device": latents.device, "dtype": latents.dtype}
    timestep = torch.zeros((1, tokens) if tokens else (1,), device=latents.device)
    said = torch.empty(1, TEXT, text, **like)
    return foreseen(
        lambda: denoiser(hidden_states=latents, timestep=timestep, encoder_hidden_states=said, return_dict=False)
    )


def decoding_of(vae: Any, latents: torch.Tensor) -> int:
    """The same of a decoding."""
    return foreseen(lambda: vae.decode(latents, return_dict=False))


@cache
def memory(name: str) -> Memory:
    """What a model takes."""
    from diffusers import AutoencoderKLWan, WanTransformer3DModel

    own, other = MODELS[name]
    denoiser, vae = shell(WanTransformer3DModel, own), shell(AutoencoderKLWan, other)
    channels, factor = vae.config.z_dim, vae.config.scale_factor_spatial
    frames, down, across = (FRAMES - 1) // 4 + 1, SIZE[1] // factor, SIZE[0] // factor
    like = {"device": "meta", "dtype": torch.bfloat16}
    latents = torch.empty(1, channels, frames, down, across, **like)
    tile = torch.empty(1, channels, frames, TILE // factor, TILE // factor, **like)
    tokens = frames * (down // 2) * (across // 2) if channels > 16 else 0
    pictures = 2 * FRAMES * SIZE[0] * SIZE[1] * 3 * BYTES  # tiles in a list, and what they become
    count = values(denoiser)
    return Memory(
        *(
            size / 1e9
            for size in (
                count * BYTES,
                max(map(values, denoiser.blocks)) * BYTES,
                text_values() * BYTES,
                values(vae) * BYTES,
                latents.numel() * 4,
                step_of(denoiser, latents, 4096, tokens),
                decoding_of(vae, latents),
                decoding_of(vae, tile) + pictures,
            )
        )
    )


def parts_table(names: tuple[str, ...] = tuple(MODELS)) -> str:
    """Weights, latents, a step and the decoding, by model."""
    heads = ["denoiser", "text encoder", "VAE", "latents", "one step", "decoding", "in tiles"]
    lines = [f"| | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for name in names:
        own = memory(name)
        sizes = (own.denoiser, own.text, own.vae, own.latents, own.step, own.decoding, own.tiled)
        lines.append(f"| {name} | {' | '.join(f'{size:.2f} GB' for size in sizes)} |")
    return "\n".join(lines)


def ways_table(names: tuple[str, ...] = tuple(MODELS)) -> str:
    """What is at once on the accelerator, and the first way below each card."""
    ways = {name: memory(name).ways() for name in names}
    lines = [f"| at once on the accelerator, with | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for way in ways[names[0]]:
        lines += [f"| {way} | {' | '.join(f'{own[way]:.1f} GB' for own in ways.values())} |"]
    for card in CARDS:
        cells = [next((way for way, size in own.items() if size < card), "nothing does") for own in ways.values()]
        lines += [f"| below {card} GB | {' | '.join(cells)} |"]
    return "\n".join(lines)


if __name__ == "__main__":
    print(parts_table(), ways_table(), sep="\n\n")
