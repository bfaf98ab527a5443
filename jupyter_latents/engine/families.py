"""One table: a row a family. A diffusers pipeline with no row gets one from its own class (`generic`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.window import FractionRule
from jupyter_latents.errors import ModelError

__all__ = ["FAMILIES", "Family", "family_of", "generic"]


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
        control: The same three with a ControlNet.
        fraction: How fractions count (facts.md 2).
        layout: How the loop packs latents, a row of `layout.LAYOUTS`.
        default_size: Pixels where the model's configuration names none.
        guidance: Name of the call's argument for the guidance scale.
        half: The half precision that suits the family on an accelerator.
        direct_latents: Whether a tensor in the image position with ``--denoising-start`` goes in undecoded.
        call: Further arguments of every call.
    """

    name: str
    model_types: tuple[str, ...]
    made_as: tuple[str, ...]
    txt2img: str | None
    img2img: str | None = None
    inpaint: str | None = None
    control: tuple[str | None, str | None, str | None] = (None, None, None)
    fraction: FractionRule = "steps"
    layout: str = "plain"
    default_size: int = 1024
    guidance: str = "guidance_scale"
    half: str = "float16"
    direct_latents: bool = False
    call: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def pipeline_name(self, mode: str) -> str:
        """The diffusers class for ``txt2img``, ``img2img`` or ``inpaint``.

        Raises:
            ModelError: diffusers has none for this family.
        """
        name: str | None = getattr(self, mode)
        if name is None:
            have = [other for other in ("txt2img", "img2img", "inpaint") if getattr(self, other)]
            raise ModelError(f"{self.name} has no {mode} pipeline in diffusers; it runs {', '.join(have)}.")
        return name


FAMILIES: tuple[Family, ...] = (
    Family(
        "SD",
        ("torch", "sd", "torch-sd"),
        ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline"),
        "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        (
            "StableDiffusionControlNetPipeline",
            "StableDiffusionControlNetImg2ImgPipeline",
            "StableDiffusionControlNetInpaintPipeline",
        ),
        default_size=512,
    ),
)


def generic(pipeline_class_name: str) -> Family:
    """A row for a pipeline that no family names: text to image through the same tap."""
    return Family(pipeline_class_name, (), (pipeline_class_name,), pipeline_class_name, half="bfloat16")


def family_of(pipeline_class_name: str, components: Mapping[str, Any] = MappingProxyType({})) -> Family:
    """The family that a ``model_index.json`` means.

    Args:
        pipeline_class_name: Its ``_class_name``.
        components: Its other entries.
    """
    for family in FAMILIES:
        if pipeline_class_name in family.made_as:
            return family
    return generic(pipeline_class_name)
