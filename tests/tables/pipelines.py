"""diffusers' pipelines for the models that the table *plan = run* tries, and the sizes that they make."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

__all__ = ["ALIGN", "CLASSES", "MODES", "Size"]

Size: TypeAlias = tuple[int, int]

MODES = ("txt2img", "img2img", "inpaint")

_SD = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline")
_XL = ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline")
_SD3 = ("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline", "StableDiffusion3InpaintPipeline")
_FLUX = ("FluxPipeline", "FluxImg2ImgPipeline", "FluxInpaintPipeline")

CLASSES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "sd15": _SD,
        "sd2": _SD,
        "sdxl": _XL,
        "sdxl-refiner": ("", *_XL[1:]),
        "kolors": ("KolorsPipeline", "KolorsImg2ImgPipeline", ""),
        "sd3": _SD3,
        "flux": _FLUX,
        "flux-schnell": _FLUX,
        "flux2": ("Flux2Pipeline", "", ""),
        "flux2-klein": ("Flux2KleinPipeline", "", "Flux2KleinInpaintPipeline"),
        "qwen-image": ("QwenImagePipeline", "QwenImageImg2ImgPipeline", "QwenImageInpaintPipeline"),
        "z-image": ("ZImagePipeline", "ZImageImg2ImgPipeline", "ZImageInpaintPipeline"),
        "pixart-sigma": ("PixArtSigmaPipeline", "", ""),
        "lumina2": ("Lumina2Pipeline", "", ""),
        "auraflow": ("AuraFlowPipeline", "", ""),
        "sd-inpaint": ("", "", _SD[2]),
        "demo/scenes": _SD,
        "demo/paper": _SD,
        "demo/flow": _SD3,
    }
)
"""Model to diffusers' pipeline for each of `MODES`; empty where there is none, and a stage is to be refused."""

ALIGN: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(CLASSES, 16)
    | dict.fromkeys(("sd15", "sd2", "sdxl", "sdxl-refiner", "kolors", "sd-inpaint", "demo/scenes", "demo/paper"), 8)
)
"""Pictures of a model are multiples of so many pixels."""
