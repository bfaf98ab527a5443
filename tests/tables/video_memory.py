"""Prints the memory table of ``docs/video-memory.md``, from shells of the published models without their weights.

Run: ``python -m tests.tables.video_memory``.
"""

from __future__ import annotations

from typing import Any

SIZE, FRAMES, BYTES = (1280, 720), 81, 2


def parts() -> dict[str, int]:
    """Values of each part of Wan 2.2 A14B, as its published configurations say; nothing is allocated."""
    import torch
    from diffusers import AutoencoderKLWan, WanTransformer3DModel
    from transformers import UMT5Config, UMT5EncoderModel

    text = UMT5Config(
        vocab_size=256_384, d_model=4096, d_ff=10_240, d_kv=64, num_layers=24, num_heads=64,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    with torch.device("meta"):
        found: dict[str, Any] = {
            "one expert": WanTransformer3DModel(),
            "text encoder": UMT5EncoderModel(text),
            "VAE": AutoencoderKLWan(),
        }
    return {name: sum(one.numel() for one in part.parameters()) for name, part in found.items()}


def rows() -> list[tuple[str, str, float]]:
    """What, how it is counted, and gigabytes."""
    width, height = SIZE
    frames, down, across = (FRAMES - 1) // 4 + 1, height // 8, width // 8
    tokens = frames * (down // 2) * (across // 2)
    count = parts()
    hidden, inside = tokens * 5120 * BYTES, tokens * 13_824 * BYTES
    layer = width * height * 96 * 4 * BYTES
    return [
        *((name, f"{values / 1e9:.2f} G values × {BYTES}", values * BYTES / 1e9) for name, values in count.items()),
        ("latents", f"16 × {frames} × {down} × {across} × 4", 16 * frames * down * across * 4 / 1e9),
        ("one step", f"{tokens:,} tokens × (4 × 5,120 + 2 × 13,824) × {BYTES}", (4 * hidden + 2 * inside) / 1e9),
        ("decoding", f"4 copies of 4 frames × 96 channels × {BYTES}", 4 * layer / 1e9),
        ("decoded frames", f"{FRAMES} × 3 × 4, in RAM", FRAMES * width * height * 12 / 1e9),
    ]


def table() -> str:
    """The table."""
    lines = [f"| {what} | {how} | {size:.2f} GB |" for what, how, size in rows()]
    return "\n".join(["| part | counted as | bfloat16 |", "|---|---|---|", *lines])


if __name__ == "__main__":
    print(table())
