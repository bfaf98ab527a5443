"""One table: a row a family. A diffusers pipeline with no row gets one from its own class (`generic`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.schedule.window import FractionRule
from jupyter_latents.errors import ModelError
from jupyter_latents.wording import option

__all__ = ["FAMILIES", "STEERING", "Family", "family_of", "generic"]


@dataclass(frozen=True, slots=True)
class Family:
    """What tells one family of models from another.

    Attributes:
        name: Short name.
        model_types: dgenerate's ``--model-type`` names.
        made_as: Pipeline class names in ``model_index.json`` that mean this family.
        txt2img: diffusers pipeline class for prompts alone; None when the family has none.
        img2img: Class for an input image.
        inpaint: Class for an input image with a mask.
        special: The same three with what steers the model: ``control``, ``union`` (ControlNets of many modes), ``t2i``,
            ``pag``, or several with ``+`` between, in the order of the alphabet.
        fraction: How fractions count: of the steps, or of the training timesteps as in diffusers' SDXL.
        schedule: What its pipeline passes to ``set_timesteps``, a row of `shifts.ARGUMENTS`.
        layout: How the loop packs latents, a row of `layout.LAYOUTS`.
        default_size: Pixels, or (width, height), where the model's configuration names none.
        guidance: Name of the call's argument for the guidance scale.
        half: The half precision that suits the family on an accelerator.
        align: Picture sizes are multiples of this many pixels.
        negative: Whether a negative prompt has an effect.
        direct_latents: Whether a tensor in the image position with ``--denoising-start`` goes in undecoded.
        call: Further arguments of every call.
        text: How the embeddings of its text encoders are laid out, a row of `prompts.TEXT_LAYOUTS`; empty where weights
            in prompts are not read.
        guided_above: The guidance scale above which the pipeline passes the denoiser twice a step; None for never.
        frames: Frames of a clip where nobody says; 0 for families of pictures.
        fps: Frames a second that it was trained on.
        pictured: Whether a picture steers every step (image to video), so that each stage of a run needs it, and it is
            noised to no strength.
        when: Name of a setting of ``model_index.json`` that is true in models of this row; empty for all.
        finish: What the pipeline does to its latents after the loop, a row of `finish.FINISHES`.
        later: Why what stands in the place of a picture is not taken, though diffusers takes it; empty where it is.
        foreseen: Whether the pipeline is known to set the timesteps of `schedule`; else only its run tells them.
    """

    name: str
    model_types: tuple[str, ...]
    made_as: tuple[str, ...]
    txt2img: str | None
    img2img: str | None = None
    inpaint: str | None = None
    special: Mapping[str, tuple[str | None, str | None, str | None]] = field(default_factory=lambda: _NONE)
    fraction: FractionRule = "steps"
    schedule: str = "plain"
    layout: str = "plain"
    default_size: int | tuple[int, int] = 1024
    guidance: str = "guidance_scale"
    half: str = "float16"
    align: int = 8
    negative: bool = True
    direct_latents: bool = False
    call: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    text: str = ""
    guided_above: float | None = 1.0
    frames: int = 0
    fps: int = 16
    pictured: bool = False
    when: str = ""
    finish: str = ""
    later: str = ""
    foreseen: bool = True

    @property
    def takes_clips(self) -> bool:
        """Whether what stands in the place of a picture is a clip, which is noised to a strength."""
        return bool(self.frames) and self.img2img is not None and not self.pictured

    def pipeline_name(self, mode: str, steering: Collection[str] = ()) -> str:
        """The diffusers class for a mode.

        Args:
            mode: ``txt2img``, ``img2img`` or ``inpaint``.
            steering: What steers it, ``control`` and so on.

        Raises:
            ModelError: diffusers has none for this family.
        """
        if steering:
            kinds = sorted(steering)
            steered = self.special.get("+".join(kinds), _NO_MODE)[_MODES.index(mode)]
            if steered is None:
                blamed = [STEERING[kind] for kind in kinds]
                raise ModelError(
                    f"{self.name} runs no {mode} with {' and '.join(map(option, blamed))} in diffusers; "
                    f"{self._instead(kinds)}.",
                    option=blamed[-1],
                )
            return steered
        name: str | None = getattr(self, mode)
        if name is None and self.later:
            raise ModelError(f"{self.name}: {self.later}.", option="image_seeds")
        if name is None:
            have = [other for other in ("txt2img", "img2img", "inpaint") if getattr(self, other)]
            raise ModelError(f"{self.name} has no {mode} pipeline in diffusers; it runs {', '.join(have)}.")
        return name

    def _instead(self, kinds: Sequence[str]) -> str:
        """What to do where a mode has no pipeline with what steers it."""
        have = [name for name, there in zip(_MODES, self.special.get("+".join(kinds), _NO_MODE), strict=True) if there]
        if have:
            return f"it does so for {', '.join(have)} alone"
        return "use one of them alone" if len(kinds) > 1 and self.special else f"leave {option(STEERING[kinds[0]])} out"


STEERING = MappingProxyType(
    {"control": "control_nets", "pag": "pag_scales", "t2i": "t2i_adapters", "union": "control_nets"}
)
"""What steers a model to the option that names it."""

_MODES = ("txt2img", "img2img", "inpaint")
_NO_MODE = (None, None, None)
_NONE: Mapping[str, tuple[str | None, str | None, str | None]] = MappingProxyType({})

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
        schedule="linear quadratic",
        layout="frames",
        half="bfloat16",
        default_size=(704, 512),
        align=32,
        frames=161,
        fps=25,
        later="pictures and clips that condition it are not taken yet; it makes clips of texts",
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


_SCHEDULES = MappingProxyType(
    {
        "AuraFlowPipeline": "plain",
        "HunyuanDiTPipeline": "plain",
        "Lumina2Pipeline": "lumina2",
        "PixArtAlphaPipeline": "plain",
        "PixArtSigmaPipeline": "plain",
        "SanaPipeline": "plain",
    }
)
# What pipelines without a row of their own pass to ``set_timesteps``, where that is known.


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
    )


def family_of(pipeline_class_name: str, index: Mapping[str, Any] = MappingProxyType({})) -> Family:
    """The family that a ``model_index.json`` means.

    Args:
        pipeline_class_name: Its ``_class_name``.
        index: All of it.
    """
    for family in FAMILIES:
        if pipeline_class_name in family.made_as and (not family.when or index.get(family.when) is True):
            return family
    return generic(pipeline_class_name)
