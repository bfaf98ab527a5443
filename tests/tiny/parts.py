"""The parts that several families share: random weights, VAEs, CLIP and T5 text encoders."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

VAE_CHANNELS = (8, 8, 8, 8)
"""Four levels, so the VAE's factor is 8 as in the published models."""

VAE_SEED = 0
"""Every model of one latent space has the same VAE, whatever the model's own seed."""


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run the block with torch's global generator at ``seed`` and put it back afterwards."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def fill(module: Any, seed: int) -> Any:
    """Fill every parameter with seeded random values and return the module in ``eval()``.

    Nothing stays at zero (adaptive norms, the output convolutions of a ControlNet), so that prompts, steps, guidance
    and control images all change the result. Matrices keep the size of what passes through them.

    Args:
        module: A torch module, filled in place.
        seed: Seed of the values; each parameter draws from it and from its own name.
    """
    import torch

    with torch.no_grad():
        for name, parameter in sorted(module.named_parameters()):
            # A generator per name: the values do not depend on the order of the modules.
            generator = torch.Generator().manual_seed(seed * 1_000_003 + _digest(name))
            values = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim >= 2:
                fan_in = math.prod(parameter.shape[1:])
                values = values / math.sqrt(fan_in)
            elif name.endswith(("weight", "gamma")):
                values = 1 + values / 10
            else:
                values = values / 10
            parameter.copy_(values)
    return module.eval().requires_grad_(False)


def _digest(name: str) -> int:
    """A number from a parameter's name that is the same in every process."""
    import zlib

    return zlib.crc32(name.encode())


def vae(latent_channels: int, scaling_factor: float, shift_factor: float | None = None, **config: Any) -> Any:
    """``AutoencoderKL`` of 8 channels and four levels, its space given by channels, scale and shift."""
    from diffusers import AutoencoderKL

    settings: dict[str, Any] = {
        "block_out_channels": VAE_CHANNELS,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "sample_size": 64,
        "latent_channels": latent_channels,
        "scaling_factor": scaling_factor,
        "shift_factor": shift_factor,
    }
    return AutoencoderKL(**{**settings, **config})


def sd_vae() -> Any:
    """The space of Stable Diffusion 1 and 2: 4 channels, scale 0.18215."""
    return vae(4, 0.18215)


def sdxl_vae() -> Any:
    """The space of SDXL, its refiner, Kolors, PixArt-Sigma and AuraFlow: 4 channels, scale 0.13025."""
    return vae(4, 0.13025, force_upcast=False)


def sd3_vae() -> Any:
    """The space of Stable Diffusion 3: 16 channels, scale 1.5305, shift 0.0609."""
    return vae(16, 1.5305, 0.0609, **NO_QUANT)


def flux_vae() -> Any:
    """The space of Flux.1, Lumina2 and Z-Image: 16 channels, scale 0.3611, shift 0.1159."""
    return vae(16, 0.3611, 0.1159, **NO_QUANT)


NO_QUANT = {"use_quant_conv": False, "use_post_quant_conv": False}


def clip_text(tokenizer: Any, *, projection: int | None = None, hidden_size: int = 32, layers: int = 2) -> Any:
    """``CLIPTextModel``, or ``CLIPTextModelWithProjection`` when ``projection`` gives its width.

    Args:
        tokenizer: The tokenizer whose vocabulary and special tokens the model uses.
        projection: Width of the pooled output, or None for a model without a projection.
        hidden_size: Width of the hidden states.
        layers: Hidden layers; two leave one to skip.
    """
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=projection or hidden_size,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModelWithProjection(config) if projection else CLIPTextModel(config)


def t5_text(tokenizer: Any, *, d_model: int = 32, umt5: bool = False) -> Any:
    """``T5EncoderModel`` (or ``UMT5EncoderModel``) of one layer."""
    import transformers

    kind = "UMT5" if umt5 else "T5"
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer),
        d_model=d_model,
        d_ff=d_model,
        d_kv=8,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    return getattr(transformers, f"{kind}EncoderModel")(config)
