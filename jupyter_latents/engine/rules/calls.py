"""From a stage to the arguments of a diffusers pipeline's call; what the pipeline does not take is refused by name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from jupyter_latents.engine.given.inputs import Call, Given, Inputs
from jupyter_latents.engine.given.processing import holes, pictures
from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.family import Family
from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.stage import Stage
from jupyter_latents.wording import option

__all__ = ["call_arguments", "check_clip_skip", "needs_blank", "picture_arguments"]


def call_arguments(call: Call, family: Family) -> dict[str, Any]:
    """The call's arguments that are neither tensors nor pictures.

    Args:
        call: What it is made for.
        family: The model's family.

    Raises:
        ModelError: The stage asks for something that this pipeline does not take.
        HandoffError: The numbers of pictures and latents do not agree.
    """
    accepted = parameters_of(call.pipeline.__call__)
    given, explicit = call.given, _asked(call.stage)
    if "negative_prompt" in explicit and not family.negative:
        raise ModelError(
            f"{family.name} takes no negative prompt: its guidance is distilled into the model. Leave it out."
        )
    for name in explicit:
        if name not in accepted and not (name == "num_frames" and given.images and family.takes_clips):
            raise ModelError(
                f"{call.pipeline.__name__} takes no {name.replace('_', ' ')}; leave out the option that sets it."
            )
    wanted = {**_always(call, family), **explicit}
    if family.frames:
        rate = int(call.fps) if call.fps == int(call.fps) else call.fps
        wanted |= {"num_frames": call.frames, "frame_rate": rate}
    if (given.images and not family.pictured) or needs_blank(call.pipeline, family, given):
        wanted["strength"] = call.strength
    arguments = {name: value for name, value in wanted.items() if name in accepted}
    several = len(given.images) > 1 and not family.reads_clips
    return _for_images(arguments, given) if several else arguments


def check_clip_skip(stage: Stage, facts: ModelFacts) -> None:
    """Sees that a stage skips no more layers than its model's CLIP text encoders have.

    Args:
        stage: What is asked for.
        facts: Its model's.

    Raises:
        ModelError: It does.
    """
    clips = [part for name, part in facts.sources.items() if name.startswith("text_encoder")
             and part.class_name.startswith("CLIP")]  # fmt: skip
    layers = min((int(part.config.get("num_hidden_layers") or 12) for part in clips), default=None)
    if stage.clip_skip is None or layers is None:
        return
    most = layers if "text_encoder_2" not in facts.sources else layers - 1  # those take the last layer but one unasked
    if stage.clip_skip > most:
        raise ModelError(
            f"{option('clip_skips')} {stage.clip_skip} is more layers than the text encoder of {stage.model.name} can "
            f"skip: use 0 to {most}, or leave it out.",
            option="clip_skips",
        )


def _always(call: Call, family: Family) -> dict[str, Any]:
    stage = call.stage
    return {
        "prompt": stage.prompt.positive,
        "num_inference_steps": stage.num_inference_steps,
        "num_images_per_prompt": call.batch,
        "num_videos_per_prompt": call.batch,
        "width": call.size[0],
        "height": call.size[1],
        family.guidance: stage.guidance_scale,
        **family.call,
    }


def _asked(stage: Stage) -> dict[str, Any]:
    """What a stage asks for and not every pipeline takes: its fields that are arguments of the call."""
    values = {
        row.metadata["argument"]: value
        for part in (stage, stage.prompt)
        for row in fields(part)
        if "argument" in row.metadata and (value := getattr(part, row.name)) not in (row.default, ())
    }
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _for_images(arguments: dict[str, Any], given: Given) -> dict[str, Any]:
    """Several input images are one batch: a prompt for each."""
    images, batch = len(given.images), arguments["num_images_per_prompt"]
    texts = {name: [text] * images for name, text in arguments.items() if "prompt" in name and isinstance(text, str)}
    each = max(1, batch // images)
    if given.latents and each * images != batch:
        raise HandoffError(
            f"{images} pictures beside {batch} latents: give as many latents as pictures, or one picture for all."
        )
    return {**arguments, **texts, "num_images_per_prompt": each}


def needs_blank(pipeline: type, family: Family, given: Given) -> bool:
    """Whether the image position must hold something: in a family without text to image, latents come without one."""
    image = parameters_of(pipeline.__call__).get("image")
    alone = bool(given.latents) and not given.images and family.txt2img is None
    return alone and image is not None and image.default is None


def picture_arguments(call: Call, family: Family, inputs: Inputs) -> dict[str, Any]:
    """The call's pictures, at the size of the stage.

    Args:
        call: What it is made for.
        family: The model's family.
        inputs: What goes into the stage.
    """
    import torch

    found: dict[str, Any] = {}
    images = pictures(call, inputs)
    if images and family.takes_clips:
        found["video"] = images[: call.frames]
    elif images and family.pictured:
        found |= {"image": images[0]} if len(images) == 1 else {"video": [images]}
    elif images:
        found["image"] = images
    elif needs_blank(call.pipeline, family, Given.of(inputs)):
        found["image"] = torch.zeros_like(inputs.latents[0].tensor[:1])  # the tap replaces what is made of them
    if inputs.masks:
        found["mask_image"] = holes(call, inputs)
    return found
