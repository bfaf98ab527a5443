"""One table: a row a family. A diffusers pipeline with no row gets one from its own class (`generic`)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.models.family import Family

__all__ = ["FAMILIES", "LIBRARIES", "family_of", "generic"]

_SD_CONTROL = (
    "StableDiffusionControlNetPipeline",
    "StableDiffusionControlNetImg2ImgPipeline",
    "StableDiffusionControlNetInpaintPipeline",
)
_SDXL_CONTROL = (
    "StableDiffusionXLControlNetPipeline",
    "StableDiffusionXLControlNetImg2ImgPipeline",
    "StableDiffusionXLControlNetInpaintPipeline",
)

_SD_SPECIAL = MappingProxyType(
    {
        "control": _SD_CONTROL,
        "control+pag": (
            "StableDiffusionControlNetPAGPipeline",
            None,
            "StableDiffusionControlNetPAGInpaintPipeline",
        ),
        "pag": ("StableDiffusionPAGPipeline", "StableDiffusionPAGImg2ImgPipeline", "StableDiffusionPAGInpaintPipeline"),
        "t2i": ("StableDiffusionAdapterPipeline", None, None),
    }
)
_XL_PAG = ("StableDiffusionXLPAGImg2ImgPipeline", "StableDiffusionXLPAGInpaintPipeline")
_SDXL_SPECIAL = MappingProxyType(
    {
        "control": _SDXL_CONTROL,
        "control+pag": (
            "StableDiffusionXLControlNetPAGPipeline",
            "StableDiffusionXLControlNetPAGImg2ImgPipeline",
            None,
        ),
        "pag": ("StableDiffusionXLPAGPipeline", *_XL_PAG),
        "t2i": ("StableDiffusionXLAdapterPipeline", None, None),
        "union": (
            "StableDiffusionXLControlNetUnionPipeline",
            "StableDiffusionXLControlNetUnionImg2ImgPipeline",
            "StableDiffusionXLControlNetUnionInpaintPipeline",
        ),
    }
)

FAMILIES: tuple[Family, ...] = (
    Family(
        "SD",
        ("sd",),
        ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline"),
        "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        _SD_SPECIAL,
        default_size=512,
        text="clip",
    ),
    Family(
        "SDXL",
        ("sdxl",),
        ("StableDiffusionXLPipeline", "StableDiffusionXLInpaintPipeline"),
        "StableDiffusionXLPipeline",
        "StableDiffusionXLImg2ImgPipeline",
        "StableDiffusionXLInpaintPipeline",
        _SDXL_SPECIAL,
        fraction="timesteps",
        direct_latents=True,
        text="two clips",
    ),
    Family(
        "SDXL refiner",
        ("sdxl",),
        ("StableDiffusionXLImg2ImgPipeline",),
        None,
        "StableDiffusionXLImg2ImgPipeline",
        "StableDiffusionXLInpaintPipeline",
        MappingProxyType({"pag": (None, *_XL_PAG)}),
        fraction="timesteps",
        direct_latents=True,
        text="two clips",
    ),
    Family(
        "Kolors",
        ("kolors",),
        ("KolorsPipeline", "KolorsImg2ImgPipeline"),
        "KolorsPipeline",
        "KolorsImg2ImgPipeline",
        special=MappingProxyType({"pag": ("KolorsPAGPipeline", None, None)}),
        fraction="timesteps",
        direct_latents=True,
        tokens=256,
    ),
    Family(
        "SD3",
        ("sd3",),
        ("StableDiffusion3Pipeline",),
        "StableDiffusion3Pipeline",
        "StableDiffusion3Img2ImgPipeline",
        "StableDiffusion3InpaintPipeline",
        MappingProxyType(
            {
                "control": ("StableDiffusion3ControlNetPipeline", None, None),
                "pag": ("StableDiffusion3PAGPipeline", "StableDiffusion3PAGImg2ImgPipeline", None),
            }
        ),
        schedule="dynamic",
        align=16,
        text="two clips and t5",
        tokens=512,
    ),
    Family(
        "Flux.1",
        ("flux",),
        ("FluxPipeline",),
        "FluxPipeline",
        "FluxImg2ImgPipeline",
        "FluxInpaintPipeline",
        MappingProxyType(
            {
                "control": (
                    "FluxControlNetPipeline",
                    "FluxControlNetImg2ImgPipeline",
                    "FluxControlNetInpaintPipeline",
                )
            }
        ),
        layout="packed",
        half="bfloat16",
        schedule="flux",
        align=16,
        negative=False,
        text="t5",
        guided_above=None,
        tokens=512,
    ),
    Family(
        "Flux.2",
        ("flux2",),
        ("Flux2Pipeline",),
        "Flux2Pipeline",
        layout="tokens",
        half="bfloat16",
        schedule="flux2",
        align=16,
        negative=False,
        guided_above=None,
    ),
    Family(
        "Flux.2 Klein",
        ("flux2",),
        ("Flux2KleinPipeline",),
        "Flux2KleinPipeline",
        inpaint="Flux2KleinInpaintPipeline",
        layout="tokens",
        half="bfloat16",
        schedule="flux2",
        align=16,
        negative=False,
    ),
    Family(
        "Qwen-Image",
        ("qwen-image",),
        ("QwenImagePipeline",),
        "QwenImagePipeline",
        "QwenImageImg2ImgPipeline",
        "QwenImageInpaintPipeline",
        MappingProxyType({"control": ("QwenImageControlNetPipeline", None, None)}),
        layout="packed",
        guidance="true_cfg_scale",
        half="bfloat16",
        schedule="linear",
        align=16,
        call=MappingProxyType({"negative_prompt": " "}),  # without one the pipeline leaves guidance out
    ),
    Family(
        "Z-Image",
        ("z-image",),
        ("ZImagePipeline",),
        "ZImagePipeline",
        "ZImageImg2ImgPipeline",
        "ZImageInpaintPipeline",
        half="bfloat16",
        schedule="z-image",
        align=16,
        guided_above=0.0,
        finish="float32",
    ),
    Family(
        "CogVideoX 1.5",
        ("cogvideox",),
        ("CogVideoXPipeline", "CogVideoXVideoToVideoPipeline"),
        "CogVideoXPipeline",
        layout="frames first",
        default_size=(1360, 768),
        align=16,
        frames=81,
        when="patch_size_t",
        alone=True,
        later="diffusers' CogVideoXVideoToVideoPipeline does not fill its frames up; it makes clips of texts",
    ),
    Family(
        "CogVideoX",
        ("cogvideox",),
        ("CogVideoXPipeline", "CogVideoXVideoToVideoPipeline"),
        "CogVideoXPipeline",
        "CogVideoXVideoToVideoPipeline",
        layout="frames first",
        default_size=(720, 480),
        align=16,
        frames=49,
        fps=8,
        alone=True,
    ),
    Family(
        "HunyuanVideo 1.5",
        ("hunyuan-video",),
        ("HunyuanVideo15Pipeline",),
        "HunyuanVideo15Pipeline",
        schedule="to zero",
        guidance="guider",
        half="bfloat16",
        default_size=(1280, 720),
        align=16,
        frames=121,
        fps=24,
        alone=True,
    ),
    Family(
        "HunyuanVideo",
        ("hunyuan-video",),
        ("HunyuanVideoPipeline",),
        "HunyuanVideoPipeline",
        schedule="to zero",
        half="bfloat16",
        default_size=(1280, 720),
        align=16,
        negative=False,
        guided_above=None,
        frames=129,
        fps=24,
    ),
    Family(
        "LTX-Video",
        ("ltx-video",),
        ("LTXPipeline", "LTXImageToVideoPipeline"),
        "LTXPipeline",
        "LTXImageToVideoPipeline",
        schedule="linear",
        layout="frames",
        half="bfloat16",
        default_size=(704, 512),
        align=32,
        frames=161,
        fps=25,
        pictured=True,
        finish="frames after the first",
    ),
    Family(
        "LTX-Video 0.9.5",
        ("ltx-video",),
        ("LTXConditionPipeline",),
        "LTXConditionPipeline",
        "LTXConditionPipeline",
        schedule="linear quadratic",
        layout="frames",
        half="bfloat16",
        default_size=(704, 512),
        align=32,
        frames=161,
        fps=25,
        pictured=True,
        leads=True,
        finish="conditioned",
        noises=True,
    ),
    Family(
        "LTX-2",
        ("ltx-video",),
        ("LTX2Pipeline",),
        "LTX2Pipeline",
        schedule="linear",
        layout="frames",
        half="bfloat16",
        default_size=(768, 512),
        align=32,
        frames=121,
        fps=24,
        later="diffusers puts a picture through a film codec first, which is not done here; it makes clips of texts",
        guided_above=0.0,  # its sound has guidance of its own
        sound=True,
    ),
    Family(
        "SkyReels V2",
        ("wan",),
        ("SkyReelsV2Pipeline",),
        "SkyReelsV2Pipeline",
        half="bfloat16",
        default_size=(960, 544),
        align=16,
        frames=97,
        fps=24,
    ),
    Family(
        "Wan TI2V",
        ("wan",),
        ("WanPipeline", "WanImageToVideoPipeline"),
        "WanPipeline",
        "WanImageToVideoPipeline",
        half="bfloat16",
        default_size=(1280, 704),
        align=32,
        frames=121,
        fps=24,
        pictured=True,
        when="expand_timesteps",
        finish="first frame",
        sees=True,
    ),
    Family(
        "Wan image-to-video",
        ("wan",),
        ("WanImageToVideoPipeline",),
        None,
        "WanImageToVideoPipeline",
        half="bfloat16",
        default_size=(832, 480),
        align=16,
        frames=81,
        pictured=True,
        sees=True,
    ),
    Family(
        "Wan",
        ("wan",),
        ("WanPipeline", "WanVideoToVideoPipeline"),
        "WanPipeline",
        "WanVideoToVideoPipeline",
        half="bfloat16",
        default_size=(832, 480),
        align=16,
        frames=81,
    ),
)

LIBRARIES = MappingProxyType(dict.fromkeys(("SkyReelsV2Pipeline", "WanImageToVideoPipeline"), "ftfy"))
"""What pipelines call without asking whether it is installed."""

_SCHEDULES = MappingProxyType(
    {
        "AuraFlowPipeline": "plain",
        "HunyuanDiTPipeline": "plain",
        "LatentConsistencyModelPipeline": "consistency",
        "Lumina2Pipeline": "lumina2",
        "PixArtAlphaPipeline": "plain",
        "PixArtSigmaPipeline": "plain",
        "SanaPipeline": "plain",
    }
)
# What pipelines without a row of their own pass to ``set_timesteps``, where that is known.
_TOKENS = MappingProxyType({"Lumina2Pipeline": 512})


def generic(pipeline_class_name: str) -> Family:
    """A row for a pipeline that no family names: text to image through the same tap."""
    return Family(
        pipeline_class_name,
        (),
        (pipeline_class_name,),
        pipeline_class_name,
        half="bfloat16",
        align=16,
        call=MappingProxyType({"use_resolution_binning": False}),  # PixArt's would change the size asked for
        schedule=_SCHEDULES.get(pipeline_class_name, "plain"),
        foreseen=pipeline_class_name in _SCHEDULES,
        tokens=_TOKENS.get(pipeline_class_name, 1024),
    )


def family_of(pipeline_class_name: str, settings: Mapping[str, Any] = MappingProxyType({})) -> Family:
    """The family that a ``model_index.json`` means.

    Args:
        pipeline_class_name: Its ``_class_name``.
        settings: All of it, and the configuration of its denoiser.
    """
    for family in FAMILIES:
        if pipeline_class_name in family.made_as and (not family.when or settings.get(family.when)):
            return family
    return generic(pipeline_class_name)
