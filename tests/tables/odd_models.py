"""Folders of models that are no text to image, or only with a mask: real configurations, weights tiny or empty."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

__all__ = ["NO_PICTURES", "Folders"]

_VIDEO = {
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "UMT5EncoderModel"],
    "tokenizer": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "WanTransformer3DModel"],
    "vae": ["diffusers", "AutoencoderKLWan"],
}
_AUDIO = {
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "ClapModel"],
    "text_encoder_2": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "RobertaTokenizerFast"],
    "tokenizer_2": ["transformers", "T5TokenizerFast"],
    "unet": ["diffusers", "AudioLDM2UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "vocoder": ["transformers", "SpeechT5HifiGan"],
}
_DEPTH = {
    "depth_estimator": ["transformers", "DPTForDepthEstimation"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}

NO_PICTURES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "MochiPipeline": _VIDEO,
        "HunyuanVideoImageToVideoPipeline": _VIDEO,
        "AudioLDM2Pipeline": _AUDIO,
        "StableDiffusionDepth2ImgPipeline": _DEPTH,
    }
)
"""Pipelines that make no picture from a prompt, and their parts."""

_CONFIGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "AutoencoderKL": {"latent_channels": 4, "block_out_channels": [8, 8, 8, 8], "scaling_factor": 0.18215},
        "AutoencoderKLWan": {"z_dim": 16, "base_dim": 8, "latents_mean": [0.0] * 16, "latents_std": [1.0] * 16},
        "UNet2DConditionModel": {"in_channels": 5, "sample_size": 8, "cross_attention_dim": 32},
        "AudioLDM2UNet2DConditionModel": {"in_channels": 8, "sample_size": 8},
        "WanTransformer3DModel": {"in_channels": 16, "num_layers": 1, "patch_size": [1, 2, 2]},
    }
)


class Folders:
    """Folders of tiny models by name, made when first asked for.

    Args:
        tiny: Name of a tiny family to its folder.
        root: Where the others are made.
    """

    def __init__(self, tiny: Any, root: Path) -> None:
        self.tiny, self.root = tiny, root
        self._made = cache(self._make)

    def __call__(self, name: str) -> Path:
        """The folder of a model.

        Args:
            name: A tiny family, ``sd-inpaint``, ``control``, ``modular`` or a key of `NO_PICTURES`.
        """
        from jupyter_latents import demo

        return demo.path(name) if name in demo.MODELS else self._made(name)

    def _make(self, name: str) -> Path:
        folder = self.root / f"odd-{zlib.crc32(name.encode())}"  # a name that no message could mean
        if name == "sd-inpaint":
            _inpaint().save_pretrained(folder)
        elif name == "control":
            from tests.tiny import controlnet

            controlnet().save_pretrained(folder)
        elif name == "modular":
            folder.mkdir()
            index = {
                "_class_name": "SequentialPipelineBlocks",
                "_diffusers_version": "0.42.1",
                "_blocks_class_name": "X",
            }
            (folder / "modular_model_index.json").write_text(json.dumps(index), "utf-8")
        elif name in NO_PICTURES:
            _skeleton(folder, name, NO_PICTURES[name])
        else:
            return Path(self.tiny(name))
        return folder


def _inpaint() -> Any:
    """Stable Diffusion's inpainting model: a U-Net of nine channels, for latents, mask and masked picture."""
    from diffusers import StableDiffusionInpaintPipeline, UNet2DConditionModel

    from tests.tiny import build, parts

    made = build("sd15")
    unet = UNet2DConditionModel.from_config(made.unet.config, in_channels=9)
    components = {**made.components, "unet": parts.fill(unet, 0)}
    return StableDiffusionInpaintPipeline(**components, requires_safety_checker=False)


def _skeleton(folder: Path, name: str, parts: Mapping[str, Any]) -> None:
    """A folder with a pipeline's index and configurations; its weight files hold one number each."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    index = {"_class_name": name, "_diffusers_version": "0.42.1", **parts}
    (folder / "model_index.json").write_text(json.dumps(index), "utf-8")
    for part, (library, class_name) in parts.items():
        (folder / part).mkdir()
        if part == "scheduler":
            config, file = {"_class_name": class_name}, "scheduler_config.json"
        elif part.startswith("tokenizer"):
            config, file = {"tokenizer_class": class_name}, "tokenizer_config.json"
        else:
            config, file = {"_class_name": class_name, **_CONFIGS.get(class_name, {})}, "config.json"
            weights = "model" if library == "transformers" else "diffusion_pytorch_model"
            save_file({"weight": torch.zeros(1)}, folder / part / f"{weights}.safetensors")
        (folder / part / file).write_text(json.dumps(config), "utf-8")
