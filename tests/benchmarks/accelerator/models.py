"""Models of real size with random weights, made on the device, as safetensors folders on local disk."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.stage import ModelSource, Prompt, Size, Stage

if TYPE_CHECKING:
    from tests.benchmarks.accelerator.place import Place

__all__ = ["PROMPT", "Subject", "plain_pipeline", "subject"]

PROMPT = "a red cat on a mountain"
SEED = 7
_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that sections measure.

    Attributes:
        name: What to call it.
        folder: Its safetensors folder.
        size: Of its pictures, in pixels.
        steps: Steps of a run that is timed.
        dtype: Of its weights.
        device: Where it runs.
        facts: How it was made: parameters, bytes, seconds.
        frames: Of its clips; None where it makes pictures.
    """

    name: str
    folder: Path
    size: Size
    steps: int
    dtype: str
    device: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    frames: int | None = None

    def stage(self, steps: int | None = None, **model: Any) -> Stage:
        """A stage of it.

        Args:
            steps: How many; None for its own number.
            **model: Further fields of `ModelSource`.
        """
        source = ModelSource(str(self.folder), dtype=self.dtype, device=self.device, offline=True, **model)
        return Stage(
            model=source,
            prompt=Prompt(PROMPT),
            seed=SEED,
            num_inference_steps=steps or self.steps,
            guidance_scale=4.0,
            size=self.size,
            num_frames=self.frames,
        )

    def call(self, steps: int | None = None) -> dict[str, Any]:
        """The same as arguments of plain diffusers' call."""
        import torch

        return {
            "prompt": PROMPT,
            "num_inference_steps": steps or self.steps,
            "guidance_scale": 4.0,
            "height": self.size.height,
            "width": self.size.width,
            "generator": torch.Generator("cpu").manual_seed(SEED),
            **({} if self.frames is None else {"num_frames": self.frames}),
        }


def subject(place: Place, name: str) -> Subject:
    """A model by name, made when first asked for.

    Args:
        place: Where it is kept.
        name: A key of `_MAKERS`.
    """
    if name not in place.subjects:
        place.subjects[name] = _made(place, name)
    return place.subjects[name]


def plain_pipeline(subject: Subject, parts: Mapping[str, Any] | None = None) -> Any:
    """Plain diffusers' pipeline of a model.

    Args:
        subject: The model.
        parts: Parts that are loaded already; None to read all from disk.
    """
    import diffusers
    import torch

    # The class itself: DiffusionPipeline reads parts anew that its class can do without, such as Wan's transformer.
    kind = getattr(diffusers, diffusers.DiffusionPipeline.load_config(subject.folder)["_class_name"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = kind.from_pretrained(
            subject.folder, dtype=getattr(torch, subject.dtype), local_files_only=True, **(parts or {})
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _made(place: Place, name: str) -> Subject:
    import torch

    family, size, steps, build = _MAKERS[name]
    frames = _FRAMES.get(name)
    if place.tiny:
        from tests.tiny import build as build_tiny

        size, steps, frames = Size(64, 64), 4, None if frames is None else 5
    begun = time.perf_counter()
    pipeline = build_tiny(family) if place.tiny else build(place.device)
    pipeline.to(torch.bfloat16)
    place.synchronize()
    made = time.perf_counter()
    folder = place.scratch / family
    pipeline.save_pretrained(folder)
    saved = time.perf_counter()
    file_bytes = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    denoiser = getattr(pipeline, "unet", None) or pipeline.transformer
    facts = {
        "denoiser parameters": sum(one.numel() for one in denoiser.parameters()),
        "file bytes": file_bytes,
        "seconds to make": round(made - begun, 2),
        "seconds to write": round(saved - made, 2),
    }
    del pipeline, denoiser
    place.free()
    return Subject(name, folder, size, steps, "bfloat16", place.device, facts, frames)


def _on(device: str, seed: int, build: Callable[[], Any]) -> Any:
    """A module built without memory, then filled on the device: matrices keep the size of what passes through them.

    Buffers that no file holds are left as they are: who loads the file makes them anew.

    Raises:
        RuntimeError: It has other buffers that nobody here fills.
    """
    import torch

    with torch.device("meta"):
        module = build().to(torch.bfloat16)
    module = module.to_empty(device=device)
    generator = torch.Generator(device).manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim >= 2 and not name.endswith("gamma"):
                parameter.normal_(generator=generator).div_(math.sqrt(math.prod(parameter.shape[1:])))
            else:
                parameter.fill_(1.0 if name.endswith(("weight", "gamma")) else 0.0)
        kept = module.state_dict()
        for name, buffer in module.named_buffers():
            if name not in kept:
                continue
            if not name.endswith("position_ids"):
                raise RuntimeError(f"{type(module).__name__} has a buffer {name} that is not filled")
            buffer.copy_(torch.arange(buffer.shape[-1], device=device).expand(buffer.shape))
    return module.eval().requires_grad_(False)


def _clip(tokenizer: Any, *, hidden: int, layers: int, heads: int, projection: int | None = None) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=77,
        projection_dim=projection or hidden,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModelWithProjection(config) if projection else CLIPTextModel(config)


def _sd15(device: str) -> Any:
    """Stable Diffusion 1.5 as published: 860 million parameters in its U-Net."""
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    from tests.tiny import diffusion, words

    tokenizer = words.clip_tokenizer()
    return StableDiffusionPipeline(
        vae=_on(device, 1, lambda: AutoencoderKL(**_VAE, sample_size=512, scaling_factor=0.18215)),
        text_encoder=_on(device, 2, lambda: _clip(tokenizer, hidden=768, layers=12, heads=12)),
        tokenizer=tokenizer,
        unet=_on(
            device, 3, lambda: UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
        ),
        scheduler=PNDMScheduler(**diffusion.SCALED_LINEAR, skip_prk_steps=True, steps_offset=1, set_alpha_to_one=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _sdxl(device: str) -> Any:
    """SDXL base as published: 2.6 billion parameters in its U-Net."""
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

    from tests.tiny import diffusion, words

    first, second = words.clip_tokenizer(), words.clip_tokenizer(pad_token="!")
    unet = {
        "sample_size": 128,
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (5, 10, 20),
        "transformer_layers_per_block": (1, 2, 10),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    }
    return StableDiffusionXLPipeline(
        vae=_on(
            device,
            1,
            lambda: AutoencoderKL(**_VAE, sample_size=1024, scaling_factor=0.13025, force_upcast=False),
        ),
        text_encoder=_on(device, 2, lambda: _clip(first, hidden=768, layers=12, heads=12)),
        text_encoder_2=_on(device, 3, lambda: _clip(second, hidden=1280, layers=32, heads=20, projection=1280)),
        tokenizer=first,
        tokenizer_2=second,
        unet=_on(device, 4, lambda: UNet2DConditionModel(**unet)),
        scheduler=EulerDiscreteScheduler(**diffusion.SCALED_LINEAR, steps_offset=1, timestep_spacing="leading"),
        add_watermarker=False,
    )


def _flux(device: str) -> Any:
    """Blocks of Flux.1's width, 3 double and 6 single ones of 19 and 38; a T5 of its width and one layer."""
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import T5Config, T5EncoderModel

    from tests.tiny import flow, parts, words

    tokenizer, tokenizer_2 = words.clip_tokenizer(), words.t5_tokenizer()
    text = T5Config(
        vocab_size=len(tokenizer_2), d_model=4096, d_ff=1024, d_kv=64, num_layers=1, num_heads=8,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    )  # fmt: skip
    vae = {"latent_channels": 16, "scaling_factor": 0.3611, "shift_factor": 0.1159, "sample_size": 1024}
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(**flow.DYNAMIC),
        vae=_on(device, 1, lambda: AutoencoderKL(**_VAE, **vae, **parts.NO_QUANT)),
        text_encoder=_on(device, 2, lambda: _clip(tokenizer, hidden=768, layers=12, heads=12)),
        tokenizer=tokenizer,
        text_encoder_2=_on(device, 3, lambda: T5EncoderModel(text)),
        tokenizer_2=tokenizer_2,
        transformer=_on(
            device,
            4,
            lambda: FluxTransformer2DModel(num_layers=3, num_single_layers=6, guidance_embeds=True),
        ),
    )


def _wan(device: str) -> Any:
    """Wan 2.1's text-to-video model of 1.3 billion parameters, whole; a UMT5 of its width and one layer."""
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
    from transformers import UMT5Config, UMT5EncoderModel

    from tests.tiny import words

    tokenizer = words.t5_tokenizer()
    text = UMT5Config(
        vocab_size=len(tokenizer), d_model=4096, d_ff=1024, d_kv=64, num_layers=1, num_heads=8,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    )  # fmt: skip
    return WanPipeline(
        tokenizer=tokenizer,
        text_encoder=_on(device, 1, lambda: UMT5EncoderModel(text)),
        vae=_on(device, 2, AutoencoderKLWan),
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
        transformer=_on(device, 3, lambda: WanTransformer3DModel(num_attention_heads=12, ffn_dim=8960, num_layers=30)),
        transformer_2=None,
    )


_MAKERS: Mapping[str, tuple[str, Size, int, Callable[[str], Any]]] = {
    "SD 1.5, 512 pixels": ("sd15", Size(512, 512), 30, _sd15),
    "SDXL, 1024 pixels": ("sdxl", Size(1024, 1024), 20, _sdxl),
    "Flux-size blocks (3 + 6), 1024 pixels": ("flux", Size(1024, 1024), 16, _flux),
    "Wan 2.1 of 1.3 billion, 33 frames of 832 × 480": ("wan21", Size(832, 480), 8, _wan),
}
"""Name to the tiny family that stands for it, size of its pictures, steps, and how it is made."""
_FRAMES = {"Wan 2.1 of 1.3 billion, 33 frames of 832 × 480": 33}
