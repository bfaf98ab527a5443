"""What a plain diffusers pipeline takes to go on from latents: the arguments of its call."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from jupyter_latents.engine.layout import LAYOUTS
from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.models.families import FAMILIES, generic
from jupyter_latents.engine.models.family import Family
from jupyter_latents.engine.schedule import schedulers, timesteps
from jupyter_latents.engine.schedule.table import SCHEDULER_ERRORS
from jupyter_latents.engine.schedule.timesteps import ARGUMENTS, Request
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.engine.tap.finish import FINISHES
from jupyter_latents.errors import LatentsError
from jupyter_latents.latents.facts import Noise
from jupyter_latents.latents.forms import convert
from jupyter_latents.latents.packing import packed
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import ModelSource

__all__ = ["call_arguments"]

# Attributes of schedulers that go on from earlier outputs of the model, which a call cannot hand over.
_HISTORY = ("model_outputs", "ets", "derivatives", "this_sample")
_MOST_STEPS = 10_000  # of a schedule that a file may ask to be made
_CLOSE = 1e-4  # relative difference of noise levels that is rounding


@dataclass(frozen=True, slots=True)
class Receiver:
    """The pipeline that is to go on.

    Attributes:
        family: Its family's row.
        scheduler: A scheduler as it has it, with no timesteps set; nobody else uses it.
        takes: Names of its call's arguments.
        dtype: The dtype of its weights; None for that of the latents.
    """

    family: Family
    scheduler: Any
    takes: frozenset[str]
    dtype: torch.dtype | None = None


@dataclass(frozen=True, slots=True)
class ScheduleStep:
    """Where latents stand in a schedule.

    Attributes:
        steps: Whole steps of it.
        index: Timestep index; those before are done.
        scheduler: With the whole schedule set.
        arguments: What the pipeline gives to ``set_timesteps`` for it.
        noise: The latents' level.
    """

    steps: int
    index: int
    scheduler: Any
    arguments: Mapping[str, Any]
    noise: Noise


def call_arguments(latents: Latents, pipeline: Any = None, *, exact: bool = False) -> dict[str, Any]:
    """The arguments with which ``pipeline(prompt, **arguments)`` goes on from latents.

    Args:
        latents: Latents whose noise is known, not clean.
        pipeline: A diffusers pipeline; None for the family and scheduler of the model that made them.
        exact: Whether the last bit counts; see `Latents.to_diffusers`.

    Raises:
        LatentsError: Nothing is left to do, their noise is not known, or that pipeline cannot begin there.
        ModelError: No pipeline is given and the model that made them is not at hand.
    """
    receiver = _of_pipeline(pipeline) if pipeline is not None else _of_model(latents)
    place = _place(latents, receiver)
    form = schedulers.form_of(place.scheduler)
    tensor = convert(latents.tensor, place.noise.sigma, place.noise.form, form)
    dtype = FINISHES[receiver.family.finish].said or receiver.dtype
    tensor = tensor if dtype is None else tensor.to(dtype)
    return {**_ways(latents, receiver, place, tensor, exact=exact), **_size(receiver, latents)}


def _size(receiver: Receiver, latents: Latents) -> dict[str, Any]:
    """The arguments that say how large and how many latents are, and of clips how long and how fast."""
    width, height = latents.size
    found: dict[str, Any] = {"width": width, "height": height}
    if latents.shape[0] > 1:
        found |= {"num_images_per_prompt": latents.shape[0], "num_videos_per_prompt": latents.shape[0]}
    if latents.moves:
        rate = latents.provenance.number("fps", 0.01, 120.0) or float(receiver.family.fps)
        found |= {"num_frames": latents.frames, "frame_rate": int(rate) if rate == int(rate) else rate}
    return {name: value for name, value in found.items() if name in receiver.takes}


def _of_pipeline(pipeline: Any) -> Receiver:
    kind = type(pipeline)
    own = [row for row in FAMILIES if kind.__name__ in (row.txt2img, *row.made_as)]
    known = own or [row for row in FAMILIES if kind.__name__ in (row.img2img, row.inpaint)]
    if not known and hasattr(kind, "_pack_latents"):
        raise LatentsError(
            f"how {kind.__name__} packs latents and sets its steps is not known here; latents.packed() is the tensor "
            "of Flux's and Qwen-Image's tokens."
        )
    if not hasattr(pipeline, "scheduler") or not hasattr(pipeline, "dtype"):
        raise LatentsError(
            f"a {kind.__name__} is no pipeline of diffusers; give one, such as DiffusionPipeline.from_pretrained(...)."
        )
    family = known[0] if known else generic(kind.__name__)
    return Receiver(family, copy.deepcopy(pipeline.scheduler), _arguments_of(kind), pipeline.dtype)


def _arguments_of(kind: type) -> frozenset[str]:
    return frozenset(parameters_of(kind.__call__))


def _of_model(latents: Latents) -> Receiver:
    import diffusers

    facts = describe(ModelSource(latents.provenance.model, offline=True))
    own, config = facts.scheduler
    made_by = latents.position.scheduler if latents.position is not None else ""
    mode = "img2img" if facts.family.direct_latents or facts.family.txt2img is None else "txt2img"
    kind = getattr(diffusers, facts.family.pipeline_name(mode))
    return Receiver(facts.family, schedulers.build(made_by or None, own, config), _arguments_of(kind))


def _place(latents: Latents, receiver: Receiver) -> ScheduleStep:
    """Where latents stand in the schedule of as many steps as theirs.

    Raises:
        LatentsError: Nowhere.
    """
    noise, position = latents.noise, latents.position
    if noise is None:
        raise LatentsError(
            "the noise of these latents is not known; say it: latents.replace(noise=Noise(sigma, form))."
        )
    if noise.is_clean:
        raise LatentsError(
            "these latents are fully denoised, and no pipeline has anything left to do. decode() makes the picture; "
            "latents.add_noise(sigma) gives them noise again."
        )
    if latents.sound is not None:
        raise LatentsError(
            "these latents have sound of their own, with which no call of a pipeline can begin. Go on in a cell."
        )
    steps = latents.provenance.number("steps", 1, _MOST_STEPS) or (position.of if position is not None else None)
    if steps is None:
        raise LatentsError(
            "these latents do not say of how many steps their schedule is; say it: "
            "latents.replace(position=Position(step, of))."
        )
    scheduler = copy.deepcopy(receiver.scheduler)
    width, height = latents.size
    tokens = math.prod(latents.shape[2:]) if latents.moves else (width // 16) * (height // 16)
    request = Request(int(steps), tokens, channels=latents.shape[1])
    timesteps.set_timesteps(scheduler, receiver.family.schedule, request)
    arguments = ARGUMENTS[receiver.family.schedule](scheduler, request)
    span = Span(0, int(steps), int(steps), int(getattr(scheduler, "order", 1)), len(scheduler.timesteps))
    for step in range(int(steps)):
        found = schedulers.level(scheduler, span.index(step))
        if found.sigma == noise.sigma or math.isclose(found.sigma, noise.sigma, rel_tol=_CLOSE):
            return ScheduleStep(int(steps), span.index(step), scheduler, arguments, noise)
    raise LatentsError(
        f"{type(scheduler).__name__} with {int(steps)} steps has none that begins at {noise}, where these latents are. "
        "Give the pipeline the scheduler that made them, or go on in a cell, which fits them in."
    )


def _ways(
    latents: Latents, receiver: Receiver, place: ScheduleStep, tensor: torch.Tensor, *, exact: bool
) -> dict[str, Any]:
    """The arguments that make a pipeline begin there, and the latents as it then takes them."""
    generator = _generator(latents)
    drawn = {} if generator is None else {"generator": generator}
    if "denoising_start" in receiver.takes and place.index > 0:
        return {"image": tensor, "num_inference_steps": place.steps, "denoising_start": _fraction(place), **drawn}
    if "latents" not in receiver.takes:
        raise LatentsError(f"{receiver.family.txt2img} takes latents; give that pipeline, not another of its family.")
    two_by_two = receiver.family.layout == "packed"
    loop = packed(latents.replace(tensor=tensor)) if two_by_two else LAYOUTS[receiver.family.layout].pack(tensor)
    held = tensor if receiver.family.layout == "tokens" else loop  # Flux.2's pipelines pack by themselves
    whole = {"num_inference_steps": place.steps}
    if place.index == 0 and receiver.family.noises:
        raise LatentsError(
            f"{receiver.family.txt2img} puts noise on all latents that it is given, and these are to begin at its "
            "first step. Go on in a cell."
        )
    if place.index == 0:
        return {"latents": _unscaled(held, place.scheduler), **whole, **drawn}
    rest, scheduler = ({}, None) if receiver.family.noises else _rest(receiver, place)
    remembers = any(hasattr(place.scheduler, name) for name in _HISTORY)
    if scheduler is not None and (not exact or (_same(place, scheduler) and not remembers)):
        return {"latents": _unscaled(held, scheduler), **rest, **drawn}
    if remembers:
        raise LatentsError(
            f"{type(place.scheduler).__name__} goes on from its history, which a pipeline's call cannot be given. "
            "Go on in a cell, or with another scheduler, such as Euler's."
        )
    if "callback_on_step_end" not in receiver.takes:
        raise LatentsError(
            f"{receiver.family.name} cannot begin there{' to the last bit' if exact else ''}: its call takes no "
            "callback_on_step_end. Go on in a cell, or with a scheduler that takes timesteps, such as Euler's."
        )
    put_in = _put_in(loop, place.index - 1, generator)
    return {**whole, "callback_on_step_end": put_in, "callback_on_step_end_tensor_inputs": ["latents"], **drawn}


def _fraction(place: ScheduleStep) -> float:
    """The ``denoising_start`` that leaves exactly the rest: timesteps below round(T * (1 - fraction)) run."""
    trained = int(place.scheduler.config.num_train_timesteps)
    cutoff = math.ceil(float(place.scheduler.timesteps[place.index - 1]))
    return (trained - cutoff) / trained


def _rest(receiver: Receiver, place: ScheduleStep) -> tuple[dict[str, Any], Any]:
    """Arguments for the rest of a schedule and a scheduler with that set; none where the pipeline cannot be told."""
    takes = parameters_of(place.scheduler.set_timesteps)
    times = place.scheduler.timesteps[place.index :].tolist()
    ways: list[tuple[dict[str, Any], dict[str, Any]]] = []
    if "sigmas" in place.arguments:
        sigmas = list(place.arguments["sigmas"])[place.index :]
        given = {"num_inference_steps": place.steps, "sigmas": sigmas}
        ways = [(given, {**place.arguments, "sigmas": sigmas})] if "sigmas" in receiver.takes else []
    elif {"timesteps"} <= receiver.takes and "timesteps" in takes:
        ways = [({"timesteps": times}, {"timesteps": times})]
    elif {"sigmas"} <= receiver.takes and "sigmas" in takes:
        sigmas = _before_shift(place)
        ways = [({"sigmas": sigmas}, {**place.arguments, "num_inference_steps": None, "sigmas": sigmas})]
    for call, arguments in ways:
        scheduler = copy.deepcopy(receiver.scheduler)
        with contextlib.suppress(*SCHEDULER_ERRORS):  # some take them in name only
            scheduler.set_timesteps(**{name: value for name, value in arguments.items() if value is not None})
            if _close(place, scheduler):
                return call, scheduler
    return {}, None


def _before_shift(place: ScheduleStep) -> list[float]:
    """The rest of a flow schedule before the scheduler's shift, which it does to all that it is given."""
    shift = float(getattr(place.scheduler, "shift", 1.0) or 1.0)
    sigmas = place.scheduler.sigmas[place.index : len(place.scheduler.timesteps)].double()
    return [float(sigma / (shift - (shift - 1.0) * sigma)) for sigma in sigmas]


def _tables(place: ScheduleStep, scheduler: Any) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The rest of a schedule and that which another scheduler has."""
    pairs = [(place.scheduler.timesteps[place.index :], scheduler.timesteps)]
    if getattr(place.scheduler, "sigmas", None) is not None:
        pairs.append((place.scheduler.sigmas[place.index :], scheduler.sigmas))
    return [(torch.as_tensor(rest).double(), torch.as_tensor(other).double()) for rest, other in pairs]


def _close(place: ScheduleStep, scheduler: Any) -> bool:
    return all(
        rest.shape == other.shape and torch.allclose(rest, other, rtol=_CLOSE, atol=_CLOSE * _CLOSE)
        for rest, other in _tables(place, scheduler)
    )


def _same(place: ScheduleStep, scheduler: Any) -> bool:
    """Whether a scheduler has the rest of a schedule to the last bit, and its pipeline does not rescale the latents."""
    return float(getattr(scheduler, "init_noise_sigma", 1.0)) == 1.0 and all(
        torch.equal(rest, other) for rest, other in _tables(place, scheduler)
    )


def _unscaled(tensor: torch.Tensor, scheduler: Any) -> torch.Tensor:
    """Latents divided by what pipelines multiply them with at their start."""
    scale = float(getattr(scheduler, "init_noise_sigma", 1.0))
    return tensor if scale == 1.0 else tensor / scale


def _generator(latents: Latents) -> torch.Generator | None:
    """A generator in the state in which these latents' own was left; None where none is kept."""
    state = latents.resume.generator if latents.resume is not None else None
    if not isinstance(state, torch.Tensor):
        return None
    return torch.Generator().set_state(state)


def _put_in(tensor: torch.Tensor, last: int, generator: torch.Generator | None) -> Callable[..., dict[str, Any]]:
    """A callback that puts latents in at the end of a step, with the random numbers that come after them."""
    state = None if generator is None else generator.get_state()

    def put_in(_pipeline: Any, step: int, _timestep: Any, given: dict[str, Any]) -> dict[str, Any]:
        if step != last:
            return {}
        if generator is not None and state is not None:
            generator.set_state(state)
        return {"latents": tensor.to(given["latents"].device, given["latents"].dtype)}

    return put_in
