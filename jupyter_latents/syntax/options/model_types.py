"""Names of ``--model-type``: dgenerate's spellings and the family that each stands for."""

from __future__ import annotations

__all__ = ["MODEL_TYPES", "OTHER_TYPES"]

_FAMILIES = (
    "sd",
    "sdxl",
    "kolors",
    "sd3",
    "flux",
    "flux2",
    "qwen-image",
    "z-image",
    "wan",
    "ltx-video",
    "cogvideox",
    "hunyuan-video",
)

MODEL_TYPES: dict[str, str | None] = {
    **{name: name for name in _FAMILIES},
    **{f"torch-{name}": name for name in _FAMILIES},
    "torch": "sd",
    "sd1": "sd",
    "sd2": "sd",
    "sd3.5": "sd3",
    "sdxl-refiner": "sdxl",
    "flux.1": "flux",
    "flux.2": "flux2",
    "flux2-klein": "flux2",
    "qwen": "qwen-image",
    "zimage": "z-image",
    "auto": None,
}
"""Spelling to family; None lets the model decide."""

_ELSEWHERE = {
    "if": "DeepFloyd IF works on pixels and has no latents",
    "ifs": "DeepFloyd IF works on pixels and has no latents",
    "ifs-img2img": "DeepFloyd IF works on pixels and has no latents",
    "pix2pix": "it edits a picture as told",
    "sdxl-pix2pix": "it edits a picture as told",
    "sd3-pix2pix": "it edits a picture as told",
    "flax": "Flax models are gone from diffusers; leave the option out for the same model in PyTorch",
    "flax-pix2pix": "Flax models are gone from diffusers",
    "flux-fill": "it fills in a masked picture with a model of its own; Flux.1 itself takes photo.png;mask=mask.png",
    "flux-kontext": "it edits a picture as told",
    "flux2-klein-kv": "it repaints pictures of reference",
    "qwen-image-edit": "it edits a picture as told",
    "qwen-image-layered": "it parts a picture into layers",
    "z-image-omni": "it repaints pictures of reference",
    "upscaler-x2": "it is an upscaler",
    "upscaler-x4": "it is an upscaler",
    "s-cascade": "Stable Cascade has no VAE of this kind",
    "s-cascade-decoder": "Stable Cascade has no VAE of this kind",
}
OTHER_TYPES: dict[str, str] = _ELSEWHERE | {f"torch-{name}": reason for name, reason in _ELSEWHERE.items()}
"""dgenerate's other model types, and why none of them runs here."""
