"""What a stage can never do, said before any weights load."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.families import LIBRARIES
from jupyter_latents.engine.rules.frames import check_clip, check_lead
from jupyter_latents.engine.schedule import schedulers, timesteps
from jupyter_latents.engine.schedule.trial import stepped_dtype
from jupyter_latents.engine.tap.finish import FINISHES
from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.latents.tensors import dtype_name
from jupyter_latents.stage import CONTROL_FIELDS, Stage
from jupyter_latents.wording import option

__all__ = ["check_loop", "check_mode", "check_sigmas", "pipeline_of"]

_MOST_SIGMA = 10_000  # models are trained up to 15 (SD), 80 (EDM) or 4096 (zero terminal SNR)


def check_mode(stage: Stage, given: Given, latents: Standing | None, facts: ModelFacts) -> str:
    """``txt2img``, ``img2img`` or ``inpaint``.

    Args:
        stage: What is asked for.
        given: What goes into it.
        latents: The latents that it starts from; None without.
        facts: Its model's.

    Raises:
        HandoffError: A mask without a picture, or another number of masks than of pictures.
        ModelError: A model that paints in without a mask, or control images that fit no ControlNet.
    """
    if given.masks and not given.images:
        beside = " beside the latents" if latents is not None else ""
        raise HandoffError(
            f"a mask needs the picture that it is of{beside}: photo.png;mask=mask.png"
            f"{';latents=NAME' if latents is not None else ''}."
        )
    if given.masks > 1 and given.masks != len(given.images):
        raise HandoffError(
            f"there are {given.masks} masks for {len(given.images)} images; give one mask for all or one each.",
            option="image_seeds",
        )
    if facts.needs_mask and not given.masks:
        raise ModelError(
            f"{stage.model.name} is a model for inpainting alone: its denoiser takes a picture and a mask as well. "
            f'Give both ({option("image_seeds", "image")} "photo.png;mask=mask.png").',
            option="image_seeds" if given.images else None,
        )
    if given.controls and not facts.steering:
        raise ModelError(
            f"there are {given.controls} control images and no ControlNet for them. Name one with "
            f"{' or '.join(map(option, CONTROL_FIELDS))}, or leave the images out.",
            option="image_seeds",
        )
    if stage.model.image_encoder is not None and not stage.model.ip_adapters:
        raise ModelError(
            f"{option('image_encoder')} is for the images of {option('ip_adapters')}, and there are none.",
            option="image_encoder",
        )
    if given.adapters and not stage.model.ip_adapters:
        raise ModelError(
            f"there are images of {len(given.adapters)} IP-Adapters and no IP-Adapter for them. Name one with "
            f"{option('ip_adapters')}, or leave the images out.",
            option="image_seeds",
        )
    if facts.family.pictured:
        _check_steered(stage, given, latents, facts)
    elif facts.family.takes_clips and given.images:
        check_clip(stage, given, facts)
    if given.masks:
        return "inpaint"
    return "img2img" if given.images or (latents is not None and facts.family.txt2img is None) else "txt2img"


def _check_steered(stage: Stage, given: Given, latents: Standing | None, facts: ModelFacts) -> None:
    """Raises where a model of clips lacks the picture that steers it, or is given what it cannot use."""
    name = stage.model.name
    needed = facts.family.txt2img is None or (
        latents is not None and latents.provenance.options.get("pictures") == "1"
    )  # fmt: skip
    if not given.images and needed:
        again = f"latents that go on with it need that again: {option('image_seeds')} 'photo.png;latents=NAME'"
        beside = again if latents is not None else f"give one, {option('image_seeds')} photo.png"
        raise HandoffError(
            f"{name} makes clips of a picture, which steers every step; {beside}.",
            option="image_seeds" if latents is not None else None,
        )
    if facts.family.leads and len(given.images) > 1:
        check_lead(given, facts)
    elif len(given.images) > 1:
        raise ModelError(
            f"{name} makes a clip of one picture, and {len(given.images)} are given. Give one.", option="image_seeds"
        )
    if given.images and stage.strength is not None:
        raise ModelError(
            f"{name} noises its picture to no strength: the picture steers every step. Leave {option('strengths')} "
            "out.",
            option="strengths",
        )


def pipeline_of(
    mode: str, stage: Stage, facts: ModelFacts, active: Mapping[str, tuple[int, ...]] = MappingProxyType({})
) -> type:
    """The diffusers class that runs a mode.

    Args:
        mode: ``txt2img``, ``img2img`` or ``inpaint``.
        stage: What is asked for.
        facts: Its model's.
        active: Which addresses of its fields hold, for fields in which one does not always.

    Raises:
        ModelError: diffusers has none that can be tapped.
    """
    import diffusers

    pag = {"pag"} if stage.pag_scale is not None or stage.pag_adaptive_scale is not None else set()
    name = facts.family.pipeline_name(mode, facts.steering_by(active) | pag)
    found: type | None = getattr(diffusers, name, None)
    if found is None or not hasattr(found, "prepare_latents"):
        raise ModelError(
            f"{name} of {stage.model.name} cannot be tapped: diffusers {diffusers.__version__} has no such class with "
            "prepare_latents."
        )
    library = LIBRARIES.get(name, "")
    if library and importlib.util.find_spec(library) is None:
        raise ModelError(f"{name} cleans its texts with {library}, which is not installed here: pip install {library}.")
    return found


def check_sigmas(stage: Stage, scheduler: Any, facts: ModelFacts, mode: str) -> None:
    """Raises where a stage's scheduler cannot take what its family's pipeline or the stage gives it.

    Args:
        stage: What is asked for.
        scheduler: The scheduler asked for.
        facts: Its model's.
        mode: ``txt2img``, ``img2img`` or ``inpaint``.

    Raises:
        ModelError: It cannot noise an input image, takes no sigmas or none so high, or is for models of another kind.
    """
    family, own = facts.family, facts.scheduler
    float32 = _said(facts, mode) is not None
    timesteps.check_takes(scheduler, family.schedule, family.name, mode, steered=bool(facts.steering), float32=float32)
    _check_kind(scheduler, scheduler if stage.scheduler is None else schedulers.build(None, *own), family.name)
    if stage.levels is None:
        return
    if "sigmas" not in parameters_of(scheduler.set_timesteps):
        raise ModelError(
            f"{type(scheduler).__name__} takes no sigmas of one's own. Leave {option('sigmas')} out, or use another "
            f"{option('schedulers')}, such as EulerDiscreteScheduler or FlowMatchEulerDiscreteScheduler.",
            option="sigmas",
        )
    flow = schedulers.form_of(scheduler) == "flow"
    if max(stage.levels) > (1 if flow else _MOST_SIGMA):
        allowed = (
            "those of a flow model are shares of noise, 0 to 1" if flow else f"they lie between 0 and {_MOST_SIGMA:,}"
        )
        raise ModelError(f"{option('sigmas')} holds {max(stage.levels):g}; {allowed}.", option="sigmas")


def check_loop(scheduler: Any, facts: ModelFacts, mode: str, dtype: torch.dtype) -> None:
    """Raises where a pipeline wants its latents in float32 after each step, and a scheduler leaves them in 16 bits.

    From a text alone they are in float32 from the start.

    Args:
        scheduler: A scheduler after ``set_timesteps``.
        facts: The model's.
        mode: How its pipeline is called.
        dtype: That of its weights, in which the pipeline encodes pictures.

    Raises:
        ModelError: It does; says which do not.
    """
    said = _said(facts, mode)
    if said is None or stepped_dtype(scheduler, 0, dtype, said) == said:
        return
    raise ModelError(
        f"{facts.family.name} wants its latents in {dtype_name(said)} after each step of {mode}, and "
        f"{type(scheduler).__name__} leaves them in {dtype_name(dtype)}. Use FlowMatchEulerDiscreteScheduler, or give "
        f"{option('dtype')} {dtype_name(said)}.",
        option="schedulers",
    )


def _said(facts: ModelFacts, mode: str) -> torch.dtype | None:
    """The dtype in which a pipeline's loop wants its latents after each step; None where it takes any."""
    return None if mode == "txt2img" else FINISHES[facts.family.finish].said


def _check_kind(scheduler: Any, own: Any, family: str) -> None:
    """Raises where a scheduler is for models of another kind than the model's own is."""
    if "old_pred_original_sample" in parameters_of(scheduler.step):
        raise ModelError(
            f"{type(scheduler).__name__} leaves its history to the pipeline, where it cannot be handed over. Use "
            f"another {option('schedulers')}, such as CogVideoXDDIMScheduler or DPMSolverMultistepScheduler.",
            option="schedulers",
        )
    if scheduler.config.get("scale_factors"):
        raise ModelError(
            f"{type(scheduler).__name__} with scale_factors changes the size of its latents from step to step, which "
            "cannot be handed over. Leave scale_factors out, and resize the latents between two stages.",
            option="schedulers",
        )
    is_flow = schedulers.form_of(own) == "flow"
    if not is_flow and not hasattr(scheduler, "init_noise_sigma") and hasattr(own, "init_noise_sigma"):
        raise ModelError(
            f"{type(scheduler).__name__} is for flow models, and {family} is none. Use another "
            f"{option('schedulers')}, such as EulerDiscreteScheduler or DDIMScheduler.",
            option="schedulers",
        )
    if is_flow and schedulers.form_of(scheduler) != "flow":
        raise ModelError(
            f"{type(scheduler).__name__} is for models that predict noise, and {family} is a flow model. Use another "
            f"{option('schedulers')}, such as FlowMatchEulerDiscreteScheduler or "
            "UniPCMultistepScheduler;use_flow_sigmas=true;prediction_type=flow_prediction.",
            option="schedulers",
        )
