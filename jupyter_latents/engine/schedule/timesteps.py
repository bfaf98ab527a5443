"""What each family's pipeline passes to ``set_timesteps``, so that the schedule is known before any weights load.

In a run the pipeline sets its own timesteps; they are compared with these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.engine.schedule.table import SCHEDULER_ERRORS
from jupyter_latents.errors import ModelError, WindowError
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from jupyter_latents.engine.models.facts import ModelFacts
    from jupyter_latents.stage import Stage

__all__ = ["ARGUMENTS", "Request", "check_takes", "request", "set_timesteps", "whole_schedule"]


@dataclass(frozen=True, slots=True)
class Request:
    """What a schedule is made for.

    Attributes:
        num_inference_steps: Whole steps.
        tokens: Image tokens of the transformer: 16 by 16 pixels each; of clips, its latent pixels in all frames.
        sigmas: Custom sigmas, or None.
        channels: Channels of the latents.
        mode: ``txt2img``, ``img2img`` or ``inpaint``; ``steered`` in pipelines that take what steers a model.
    """

    num_inference_steps: int
    tokens: int
    sigmas: tuple[float, ...] | None = None
    channels: int = 4
    mode: str = "txt2img"


def request(
    stage: Stage, facts: ModelFacts, size: tuple[int, int], mode: str = "txt2img", frames: int | None = None
) -> Request:
    """What the schedule of a stage is made for.

    Args:
        stage: What is asked for.
        facts: Its model's.
        size: (width, height) in pixels.
        mode: ``txt2img``, ``img2img`` or ``inpaint``.
        frames: Frames of a clip; None for those of the stage, or the family's.
    """
    tokens = (size[0] // 16) * (size[1] // 16)
    mode = "steered" if facts.steering else mode
    if facts.space.moves:
        count = frames or stage.num_frames or facts.family.frames
        tokens = math.prod(facts.space.shape_for(*size, 1, count)[2:])
    return Request(stage.num_inference_steps, tokens, stage.levels, facts.space.channels, mode)


def _plain(_scheduler: Any, request: Request) -> dict[str, Any]:
    if request.sigmas is not None:
        return {"sigmas": list(request.sigmas)}
    return {"num_inference_steps": request.num_inference_steps}


def _dynamic(scheduler: Any, request: Request) -> dict[str, Any]:
    """StableDiffusion3Pipeline: mu where the scheduler shifts dynamically."""
    shift = {"mu": _shift(scheduler, request.tokens, 1.16)} if scheduler.config.get("use_dynamic_shifting") else {}
    return {**_plain(scheduler, request), **shift}


def _linear(scheduler: Any, request: Request) -> dict[str, Any]:
    """QwenImagePipeline: sigmas from 1 to 1/N, shifted by the number of tokens."""
    steps = request.num_inference_steps
    sigmas = list(request.sigmas) if request.sigmas is not None else _falling(steps)
    return {"sigmas": sigmas, "mu": _shift(scheduler, request.tokens, 1.15)}


def _z_image(scheduler: Any, request: Request) -> dict[str, Any]:
    """ZImagePipeline: the same in float32."""
    import torch

    steps = request.num_inference_steps
    sigmas = request.sigmas or torch.linspace(1.0, 1 / steps, steps).tolist()
    return {"sigmas": list(sigmas), "mu": _shift(scheduler, request.tokens, 1.15)}


def _to_zero(_scheduler: Any, request: Request) -> dict[str, Any]:
    """HunyuanVideoPipeline: sigmas from 1 to 0, the last left out."""
    import numpy as np

    steps = request.num_inference_steps
    sigmas = np.linspace(1.0, 0.0, steps + 1)[:-1] if request.sigmas is None else request.sigmas
    return {"sigmas": list(sigmas)}


def _linear_quadratic(_scheduler: Any, request: Request) -> dict[str, Any]:
    """LTXConditionPipeline: timesteps that fall slowly at first."""
    from diffusers.pipelines.ltx.pipeline_ltx_condition import linear_quadratic_schedule

    return {"timesteps": linear_quadratic_schedule(request.num_inference_steps) * 1000}


def _consistency(_scheduler: Any, request: Request) -> dict[str, Any]:
    """LatentConsistencyModelPipeline: the scheduler says of how many steps it takes these."""
    return {"num_inference_steps": request.num_inference_steps, "original_inference_steps": None}


def _lumina2(scheduler: Any, request: Request) -> dict[str, Any]:
    """Lumina2Pipeline: as `_linear`, but what it takes for the number of tokens is the number of channels."""
    return {**_linear(scheduler, request), "mu": _shift(scheduler, request.channels, 1.15)}


def _flux(scheduler: Any, request: Request) -> dict[str, Any]:
    """FluxPipeline: the same, unless the scheduler makes its own flow sigmas.

    Steered or with a picture diffusers does not ask.
    """
    arguments = _linear(scheduler, request)
    if scheduler.config.get("use_flow_sigmas") and request.mode == "txt2img":
        return {"num_inference_steps": request.num_inference_steps, "mu": arguments["mu"]}
    return arguments


def _flux2(scheduler: Any, request: Request) -> dict[str, Any]:
    """Flux2Pipeline: it asks in each mode, and the shift depends on the number of steps too."""
    from diffusers.pipelines.flux2.pipeline_flux2 import compute_empirical_mu

    return {
        **_flux(scheduler, replace(request, mode="txt2img")),
        "mu": compute_empirical_mu(request.tokens, request.num_inference_steps),
    }


ARGUMENTS: Mapping[str, Callable[[Any, Request], dict[str, Any]]] = MappingProxyType(
    {
        "plain": _plain,
        "dynamic": _dynamic,
        "linear": _linear,
        "lumina2": _lumina2,
        "to zero": _to_zero,
        "linear quadratic": _linear_quadratic,
        "consistency": _consistency,
        "flux": _flux,
        "flux2": _flux2,
        "z-image": _z_image,
    }
)
"""Row of the family table to what its pipeline passes."""

_PASS_SIGMAS = frozenset({"linear", "lumina2", "to zero", "z-image", "flux", "flux2"})
_PASS_SHIFT = _PASS_SIGMAS - {"to zero"}


def check_takes(
    scheduler: Any, way: str, family: str, mode: str = "txt2img", *, steered: bool = False, float32: bool = False
) -> None:
    """Raises where a family's pipeline asks of a scheduler what it cannot do.

    Args:
        scheduler: The scheduler asked for.
        way: A row of `ARGUMENTS`.
        family: The family's name, for the message.
        mode: ``txt2img``, ``img2img`` or ``inpaint``.
        steered: Whether addons steer it, whose pipelines ask for less.
        float32: Whether its loop wants float32 of each step, which UniPCMultistepScheduler does not give it in 16 bits.

    Raises:
        ModelError: It cannot noise an input image, or takes no sigmas where the pipeline passes its own.
    """
    if mode != "txt2img" and not (hasattr(scheduler, "add_noise") or hasattr(scheduler, "scale_noise")):
        raise ModelError(
            f"{type(scheduler).__name__} cannot noise an image, so it runs no {mode}; "
            f"use another {option('schedulers')}.",
            option="schedulers",
        )
    if way == "linear quadratic" and "per_token_timesteps" not in parameters_of(scheduler.step):
        raise ModelError(
            f"{family} passes timesteps of its own, one for each token, and {type(scheduler).__name__} takes none. "
            "Use FlowMatchEulerDiscreteScheduler.",
            option="schedulers",
        )
    chooses = "original_inference_steps" in parameters_of(scheduler.set_timesteps)
    if way == "consistency" and (not chooses or "eta" in parameters_of(scheduler.step)):  # TCD's is a number there
        raise ModelError(
            f"{family} has its scheduler choose steps out of those that the model was distilled with "
            f"(original_inference_steps), which {type(scheduler).__name__} does not as its pipeline asks. Use "
            "LCMScheduler.",
            option="schedulers",
        )
    lacking = _lacking(scheduler, way, asks=mode == "txt2img" and not steered)
    if not lacking:
        return
    flow = "use_flow_sigmas=true;prediction_type=flow_prediction"
    others = " or FlowMatchLCMScheduler" if float32 else f", FlowMatchLCMScheduler or UniPCMultistepScheduler;{flow}"
    raise ModelError(
        f"{family} passes {lacking} of its own, and {type(scheduler).__name__} takes none. Use "
        f"FlowMatchEulerDiscreteScheduler{others}."
    )


def _lacking(scheduler: Any, way: str, *, asks: bool) -> str:
    """What a family's pipeline passes and a scheduler does not take; empty where it takes all."""
    takes = parameters_of(scheduler.set_timesteps)
    own = way == "flux2" or (way == "flux" and asks)  # where the pipeline asks whether the scheduler makes its own
    if way in _PASS_SIGMAS and "sigmas" not in takes and not (own and scheduler.config.get("use_flow_sigmas")):
        return "sigmas"
    shifts = way in _PASS_SHIFT or (way == "dynamic" and scheduler.config.get("use_dynamic_shifting"))
    return "a shift (mu)" if shifts and "mu" not in takes else ""


def set_timesteps(scheduler: Any, way: str, request: Request) -> None:
    """Sets a fresh scheduler's timesteps as the family's pipeline would.

    Args:
        scheduler: A scheduler that nothing else uses.
        way: A row of `ARGUMENTS`.
        request: Steps and size.

    Raises:
        ModelError: It makes no schedule of so many steps.
        WindowError: A noise level of the schedule is not a number.
    """
    arguments = ARGUMENTS[way](scheduler, request)
    if "sigmas" in arguments:
        arguments["sigmas"] = schedulers.custom_sigmas(scheduler, arguments["sigmas"])
    accepted = parameters_of(scheduler.set_timesteps)
    try:
        scheduler.set_timesteps(**{name: value for name, value in arguments.items() if name in accepted})
    except SCHEDULER_ERRORS as error:
        _check_length(scheduler, request)
        raise ModelError(
            f"{type(scheduler).__name__} makes no schedule of {request.num_inference_steps} steps with these settings: "
            f"{error}",
            option="schedulers",
        ) from error
    if len(scheduler.timesteps.unique()) < request.num_inference_steps:  # else it steps between the model's timesteps
        _check_length(scheduler, request)
    _check_reach(scheduler, request)
    _check_numbers(scheduler, request)


def _check_length(scheduler: Any, request: Request) -> None:
    """Raises where there are more steps than the model has timesteps; flow schedules have any number."""
    trained = int(scheduler.config.get("num_train_timesteps", 1000))
    counted = hasattr(scheduler, "alphas_cumprod") and schedulers.form_of(scheduler) != "flow"
    if counted and request.num_inference_steps > trained:
        raise ModelError(
            f"{request.num_inference_steps} steps are more than the {trained} timesteps that "
            f"{type(scheduler).__name__} has of this model. Give fewer {option('inference_steps')}.",
            option="inference_steps",
        )


def _check_reach(scheduler: Any, request: Request) -> None:
    """Raises where a scheduler that looks its timesteps up in a table would look behind its end."""
    if getattr(scheduler, "sigmas", None) is not None or not hasattr(scheduler, "alphas_cumprod"):
        return
    highest, trained = int(scheduler.timesteps.max()), len(scheduler.alphas_cumprod)
    if highest >= trained:
        raise ModelError(
            f"{request.num_inference_steps} steps reach timestep {highest}, and {type(scheduler).__name__} has 0 to "
            f"{trained - 1} of this model. Give fewer {option('inference_steps')}, or {option('schedulers')} "
            f"{type(scheduler).__name__};steps_offset=0.",
            option="inference_steps",
        )


def _check_numbers(scheduler: Any, request: Request) -> None:
    """A schedule of one step that is stretched between its first and its last divides by nothing."""
    import torch

    tables = (
        torch.as_tensor(table)
        for name in ("sigmas", "timesteps")
        if (table := getattr(scheduler, name, None)) is not None
    )
    if all(bool(torch.isfinite(table).all()) for table in tables):
        return
    steps = "1 step" if request.num_inference_steps == 1 else f"{request.num_inference_steps} steps"
    raise WindowError(
        f"{type(scheduler).__name__} with the settings it has here makes noise levels that are not numbers for a "
        f"schedule of {steps}. Use more {option('inference_steps')} or another {option('schedulers')}.",
        option="inference_steps",
    )


def _falling(steps: int) -> list[float]:
    import numpy as np

    return list(np.linspace(1.0, 1 / steps, steps))


def _shift(scheduler: Any, tokens: int, max_shift: float) -> float:
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    usual = {"base_image_seq_len": 256, "max_image_seq_len": 4096, "base_shift": 0.5, "max_shift": max_shift}
    said = {name: scheduler.config.get(name, value) for name, value in usual.items()}
    empty = next((name for name, value in said.items() if value is None), "")
    if empty:
        raise ModelError(
            f"scheduler_config.json of the model says {empty} null; it is a number, such as {usual[empty]:g}.",
            option="schedulers",
        )
    mu: float = calculate_shift(tokens, *said.values())
    return mu


def whole_schedule(stage: Stage, facts: ModelFacts, width: int, height: int) -> Any:
    """A scheduler with the whole schedule of a stage in it.

    Args:
        stage: What is asked for.
        facts: Its model's.
        width: Pixels of the picture.
        height: Pixels of the picture.

    Raises:
        ScriptError: No such scheduler, or it takes no such argument.
        ModelError: The scheduler needs a library that is not installed, or is not for this family.
    """
    scheduler = schedulers.build(stage.scheduler, *facts.scheduler, seed=stage.seed or 0)
    check_takes(scheduler, facts.family.schedule, facts.family.name, steered=bool(facts.steering))
    set_timesteps(scheduler, facts.family.schedule, request(stage, facts, (width, height)))
    return scheduler
