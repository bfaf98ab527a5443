"""From a stage to the arguments of a diffusers pipeline's call; what the pipeline does not take is refused by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine.models.families import Family
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine.models.addons.controlnets import ControlSpec
    from jupyter_latents.latents.value import Latents

__all__ = ["Inputs", "arguments", "control_arguments", "mode_of", "picture_size"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a stage's image seed stands for, resolved.

    Attributes:
        latents: Raw latents to start from.
        images: Pictures in the image position, all of one size.
        masks: Inpaint masks.
        controls: Control images.
    """

    latents: tuple[Latents, ...] = ()
    images: tuple[Image, ...] = ()
    masks: tuple[Image, ...] = ()
    controls: tuple[Image, ...] = ()


def mode_of(inputs: Inputs, family: Family) -> str:
    """``txt2img``, ``img2img`` or ``inpaint``."""
    if inputs.masks:
        return "inpaint"
    if inputs.latents and not inputs.images and family.txt2img is None:
        return "img2img"
    return "img2img" if inputs.images else "txt2img"


def picture_size(stage: Stage, inputs: Inputs, default: tuple[int, int], factor: int, align: int) -> tuple[int, int]:
    """(width, height) in pixels of what a stage makes: the latents', the option's, the image's or the default."""
    if inputs.latents:
        _, _, height, width = inputs.latents[0].shape
        return width * factor, height * factor
    if stage.size:
        width, height = stage.size.width, stage.size.height
    elif inputs.images:
        width, height = inputs.images[0].size
    else:
        width, height = default
    return max(align, width - width % align), max(align, height - height % align)


def arguments(
    pipeline_class: type, family: Family, stage: Stage, inputs: Inputs, size: tuple[int, int], strength: float | None
) -> dict[str, Any]:
    """The call's arguments.

    Args:
        pipeline_class: The diffusers class.
        family: The model's family.
        stage: What is asked for.
        inputs: The resolved image seed.
        size: (width, height) in pixels.
        strength: Strength for the modes that take an image.

    Raises:
        ModelError: The stage asks for something that this pipeline does not take.
    """
    accepted = inspect.signature(pipeline_class.__call__).parameters
    width, height = size
    prompt = stage.prompt
    wanted: dict[str, Any] = {
        "prompt": prompt.positive,
        "num_inference_steps": stage.num_inference_steps,
        "num_images_per_prompt": _batch(stage, inputs),
        "width": width,
        "height": height,
        family.guidance: stage.guidance_scale,
        **family.call,
    }
    explicit: dict[str, Any] = {
        "negative_prompt": prompt.negative or None,
        "prompt_2": prompt.second,
        "negative_prompt_2": prompt.second_negative,
        "prompt_3": prompt.third,
        "negative_prompt_3": prompt.third_negative,
        "clip_skip": stage.clip_skip,
        "guidance_rescale": stage.guidance_rescale,
        "sigmas": list(stage.sigmas) if stage.sigmas else None,
    }
    if prompt.negative and not family.negative:
        raise ModelError(
            f"{family.name} takes no negative prompt: its guidance is distilled into the model. Leave it out."
        )
    if inputs.images:
        explicit["image"] = [image.resize(size) if image.size != size else image for image in inputs.images]
        wanted["strength"] = strength
    elif "image" in accepted and accepted["image"].default is None and inputs.latents and family.txt2img is None:
        explicit["image"] = _blank(inputs)
        wanted["strength"] = 1.0
    if inputs.masks:
        explicit["mask_image"] = [mask.resize(size) for mask in inputs.masks]
    for name, value in explicit.items():
        if value is not None and name not in accepted:
            raise ModelError(
                f"{pipeline_class.__name__} takes no {name.replace('_', ' ')}; leave out the option that sets it."
            )
    call = {name: value for name, value in {**wanted, **_given(explicit)}.items() if name in accepted}
    return _per_image(call, len(inputs.images)) if len(inputs.images) > 1 else call


def control_arguments(
    controls: tuple[ControlSpec, ...], stage: Stage, inputs: Inputs, mode: str, size: tuple[int, int]
) -> dict[str, Any]:
    """The call's further arguments for ControlNets.

    Args:
        controls: The ControlNets with their scale, start and end.
        stage: What is asked for.
        inputs: The resolved image seed.
        mode: ``txt2img``, ``img2img`` or ``inpaint``.
        size: (width, height) in pixels.

    Raises:
        ModelError: Control images and ControlNets differ in number, or a window meets a start or end other than 0 and
            1: diffusers counts these over the steps that a stage runs, so a split would not be invisible.
    """
    if len(inputs.controls) != len(controls):
        raise ModelError(
            f"{len(controls)} ControlNets need as many control images, and --image-seeds names {len(inputs.controls)} "
            '(--image-seeds "photo.png;control=edges.png").'
        )
    windowed = stage.window.start is not None or stage.window.end is not None or inputs.latents
    if windowed and any((control.start, control.end) != (0.0, 1.0) for control in controls):
        raise ModelError(
            "a ControlNet's start and end count over the steps that a stage runs, so they cannot be kept across a "
            "window. Leave them out, or run the stage whole."
        )
    several = len(controls) > 1
    pictures = [image.resize(size) for image in inputs.controls]
    values: dict[str, list[Any]] = {
        "image" if mode == "txt2img" else "control_image": pictures,
        "controlnet_conditioning_scale": [control.scale for control in controls],
        "control_guidance_start": [control.start for control in controls],
        "control_guidance_end": [control.end for control in controls],
    }
    return values if several else {name: value[0] for name, value in values.items()}


def _per_image(call: dict[str, Any], images: int) -> dict[str, Any]:
    """Several input images are one batch: a prompt for each."""
    texts = {name: [value] * images for name, value in call.items() if "prompt" in name and isinstance(value, str)}
    return {**call, **texts, "num_images_per_prompt": max(1, call["num_images_per_prompt"] // images)}


def _blank(inputs: Inputs) -> Any:
    """Blank latents for the image position of a family that has no txt2img; the tap replaces what is made of them."""
    import torch

    return torch.zeros_like(inputs.latents[0].tensor[:1])


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _batch(stage: Stage, inputs: Inputs) -> int:
    if inputs.latents:
        return sum(latents.shape[0] for latents in inputs.latents)
    return stage.batch_size
