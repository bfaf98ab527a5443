"""Which pipelines of diffusers run here: read off their classes, so that the others are refused before weights load."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.models.families import FAMILIES
from jupyter_latents.wording import option

__all__ = ["RUNS", "reason_against"]

RUNS = (
    "Here run video pipelines of Wan, LTX, HunyuanVideo and CogVideoX, and diffusers' text-to-image pipelines that "
    "have a scheduler, a VAE, and a U-Net or transformer which denoises (batch, channels, height, width)."
)
"""What to say after a reason."""

_FRAMES = frozenset({"num_frames", "video_length", "video", "frames"})
_CALLBACKS = frozenset({"callback_on_step_end", "callback"})
_BY_NAME = MappingProxyType(
    {
        "DiffusionPipeline": "it is what pipelines are made of, and none itself",
        "AudioDiffusionPipeline": "it makes sound",
        "SpectrogramDiffusionPipeline": "it makes sound",
        "ConsisIDPipeline": "it makes video",
        "CogView4ControlPipeline": "it follows a control image",
        "BriaFiboEditPipeline": "it edits a picture",
        "HunyuanImageRefinerPipeline": "it refines a picture",
        "JoyImageEditPlusPipeline": "it edits pictures",
        "QwenImageEditPipeline": "it edits a picture",
        "QwenImageEditPlusPipeline": "it edits pictures",
        "QwenImageLayeredPipeline": "it takes a picture apart into layers",
        "StableDiffusionInstructPix2PixPipeline": "it edits a picture",
        "StableDiffusionXLInstructPix2PixPipeline": "it edits a picture",
        "StableDiffusionPix2PixZeroPipeline": "it edits a picture by its inversion",
        "StableDiffusionDiffEditPipeline": "it edits a picture by its inversion",
        "StableDiffusionLatentUpscalePipeline": "it is an upscaler",
        "StableDiffusionUpscalePipeline": "it is an upscaler",
        "StableDiffusionGLIGENPipeline": "it puts things into boxes, which stages do not give",
        "StableDiffusionGLIGENTextImagePipeline": "it puts things into boxes, which stages do not give",
        "StableUnCLIPPipeline": "it denoises an embedding of a picture first, then latents",
        "StableUnCLIPImg2ImgPipeline": "it makes variations of a picture",
        "StableDiffusionPanoramaPipeline": "it steps each of several views by itself",
        "StableDiffusionParadigmsPipeline": "it runs its steps side by side, not one after the other",
    }
)
"""What only a name tells: their calls look like text to image."""


@dataclass(frozen=True)
class _Anatomy:
    """What a pipeline class says of itself.

    Attributes:
        parts: Names of its constructor's arguments.
        call: Names of its call's arguments.
        required: Those of them that have no default, without the prompt.
        latents: Names of the arguments of its ``prepare_latents``; empty where it has none.
        makes: Fields of what its call returns; empty where its module does not say.
        packs: Whether it packs latents into tokens.
    """

    parts: frozenset[str]
    call: frozenset[str]
    required: tuple[str, ...]
    latents: frozenset[str]
    makes: frozenset[str]
    packs: bool

    @staticmethod
    def of(kind: Any) -> _Anatomy:
        """The anatomy of a pipeline class of diffusers."""
        call = inspect.signature(kind.__call__).parameters
        prepare = getattr(kind, "prepare_latents", None)
        return _Anatomy(
            frozenset(inspect.signature(kind.__init__).parameters),
            frozenset(call),
            tuple(name for name, one in call.items() if name not in ("self", "prompt") and _is_required(one)),
            frozenset(inspect.signature(prepare).parameters) if prepare is not None else frozenset(),
            frozenset(_outputs(kind)),
            hasattr(kind, "_pack_latents"),
        )


def _is_required(parameter: inspect.Parameter) -> bool:
    named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    return named and parameter.default is parameter.empty


def _outputs(kind: Any) -> set[str]:
    """Fields of the output classes that a pipeline's module knows; its call has no annotation."""
    from diffusers.utils import BaseOutput

    known = vars(inspect.getmodule(kind)).values()
    outputs = [one for one in known if inspect.isclass(one) and issubclass(one, BaseOutput)]
    named = [one for one in outputs if one.__name__.endswith("PipelineOutput")]
    return {field for one in named for field in inspect.signature(one).parameters}


def _lacks(anatomy: _Anatomy) -> str:
    lacking = [part for part in ("scheduler", "vae") if part not in anatomy.parts]
    lacking += [] if {"unet", "transformer"} & anatomy.parts else ["unet or transformer"]
    return f"it has no {' and no '.join(lacking)}" if lacking else ""


def _wants(anatomy: _Anatomy) -> str:
    return f"its call needs {', '.join(anatomy.required)}, which stages do not give" if anatomy.required else ""


# What each says, and of which classes; the first that holds is told.
_RULES: tuple[Callable[[_Anatomy], str], ...] = (
    lambda own: "it makes sound" if "audios" in own.makes else "",
    lambda own: "it makes video" if _FRAMES & (own.makes | own.call) else "",
    lambda own: "it makes text" if "texts" in own.makes else "",
    lambda own: "it takes no prompt" if "prompt" not in own.call else "",
    lambda own: (
        f"it comes with a ControlNet; use it on its base model with {option('control_nets')}"
        if "controlnet" in own.parts
        else ""
    ),
    lambda own: "it comes with a T2I adapter" if "adapter" in own.parts else "",
    _lacks,
    _wants,
    lambda own: "it starts from a picture" if {"strength", "mask_image"} & own.call else "",
    lambda own: "it tells nobody its steps" if not own.latents or not _CALLBACKS & own.call else "",
    lambda own: (
        "it holds its latents as tokens, in an order that no row here knows"
        if own.packs or not {"height", "width"} <= own.latents
        else ""
    ),
    lambda own: "its latents have an axis of frames" if _FRAMES & own.latents else "",
    lambda own: (
        f"it makes {', '.join(sorted(own.makes))}, not images" if own.makes and "images" not in own.makes else ""
    ),
)


@cache
def reason_against(name: str) -> str:
    """Why a pipeline class cannot run here, as a clause; empty where it can.

    Args:
        name: The ``_class_name`` of a ``model_index.json``.
    """
    import diffusers

    if any(name in family.made_as for family in FAMILIES):
        return ""
    kind = getattr(diffusers, name, None)
    if name in _BY_NAME:
        return _BY_NAME[name]
    if kind is None:
        return f"diffusers {diffusers.__version__} has no such class; a newer version may"
    if issubclass(kind, diffusers.ModularPipeline):
        return "it comes only as a modular pipeline; these do not run here yet"
    if not issubclass(kind, diffusers.DiffusionPipeline):
        return "it needs libraries that are not installed here, and is no pipeline of torch alone"
    anatomy = _Anatomy.of(kind)
    return next((reason for rule in _RULES if (reason := rule(anatomy))), "")
