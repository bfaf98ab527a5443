"""The one decision of a stage: what it will do, rule by rule. No weights are read, and no network is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from jupyter_latents.engine.failures.extremes import check_range
from jupyter_latents.engine.given.incoming import RAW_FORM, incoming, is_raw
from jupyter_latents.engine.given.inputs import Call, Given
from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.given.processing import check_chains
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.models.experts import check_experts, expert_windows
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.load import dtype_of
from jupyter_latents.engine.models.memory import device_of
from jupyter_latents.engine.models.offload import check_offload
from jupyter_latents.engine.prepared import Prepared
from jupyter_latents.engine.prompts.windows import check_prompts
from jupyter_latents.engine.rules.calls import call_arguments, check_clip_skip
from jupyter_latents.engine.rules.checks import check_loop, check_mode, check_sigmas, pipeline_of
from jupyter_latents.engine.rules.conditions import check_conditions
from jupyter_latents.engine.rules.frames import check_alone, frame_count, frame_rate
from jupyter_latents.engine.rules.needs import check_memory
from jupyter_latents.engine.rules.notes import notes_of
from jupyter_latents.engine.rules.passes import check_joined
from jupyter_latents.engine.rules.places import check_places, check_tokens
from jupyter_latents.engine.rules.sizes import picture_size, size_before
from jupyter_latents.engine.rules.sound import check_sound
from jupyter_latents.engine.schedule import schedulers, timesteps
from jupyter_latents.engine.schedule.entering import Entering, doubted, enter, enter_noised, first_step
from jupyter_latents.engine.schedule.expressions import with_levels
from jupyter_latents.engine.schedule.fit import check_fits
from jupyter_latents.engine.schedule.handoff import grid_of
from jupyter_latents.engine.schedule.strength import renoises
from jupyter_latents.engine.schedule.trial import check_steps
from jupyter_latents.engine.steering import stage_windows, windows_of
from jupyter_latents.engine.vae.bridge import crossing
from jupyter_latents.engine.vae.receiving import decoding
from jupyter_latents.errors import WindowError
from jupyter_latents.stage import DEFAULT_STRENGTH, Stage
from jupyter_latents.wording import option

__all__ = ["Prepared", "prepare"]

_NOTHING = Given()


def prepare(stage: Stage, given: Given = _NOTHING, facts: ModelFacts | None = None) -> Prepared:
    """Decides what a stage will do; reads no weights and asks no network.

    Args:
        stage: What is asked for.
        given: What goes into it; latents may be outlines of what earlier stages will make.
        facts: Its model's; None to find out.

    Raises:
        JupyterLatentsError: The stage can never run, with the reason.
    """
    facts = describe(stage.model) if facts is None else facts
    _check_model(stage, facts)
    latents = incoming(stage, given.latents, facts, given.pasted)
    check_range(latents, _dtype(stage, facts))
    scheduler = schedulers.build(stage.scheduler, *facts.scheduler, seed=stage.seed or 0)
    crosses = _crosses(stage, latents, scheduler, facts, pictures=bool(given.images))
    entered = crossing(latents, facts.space, facts.family.align) if latents is not None and crosses else latents
    call, sizes = _call(stage, given, entered, facts)
    stage = call.stage
    arguments = call_arguments(call, facts.family)
    check_clip_skip(stage, facts)
    check_tokens(stage, facts)
    _set_schedule(scheduler, call, facts)
    check_loop(scheduler, facts, call.mode, _dtype(stage, facts))
    entering = _entering(call, entered, scheduler, facts)
    span = entering.span
    check_sound(entered, facts, entering)
    check_memory(call, facts, _itemsize(stage, facts), span.end - span.start, scheduler)
    check_steps(scheduler, entering.schedule, span.start_index, span.end_index)
    decodings = tuple(decoding(one, facts, stage.model) for one in given.decoded)
    whole = stage_windows(stage, replace(span, start=0, end=span.of), grid_of(scheduler, boundary=facts.boundary))
    windows, experts = windows_of(whole, span), expert_windows(facts, scheduler, span)
    check_joined(windows, facts)
    switches = sorted({*(one.start for one in whole[1:]), *(one.start for one in experts[1:])})
    weights = facts.values * _itemsize(stage, facts)
    made = Prepared(
        stage, facts, given, latents, crosses, call, arguments, scheduler, entering, weights, windows,
        tuple(switches), decodings, experts,
    )  # fmt: skip
    notes, warnings = notes_of(made, sizes)
    return replace(made, notes=notes, warnings=warnings)


def _check_model(stage: Stage, facts: ModelFacts) -> None:
    """Raises where a model cannot have what is put on it, or cannot read the texts."""
    check_experts(stage.model, facts.boundary)
    check_prompts(stage, facts.family.text, facts.family.name)
    check_offload(stage.model, facts)


def _call(stage: Stage, given: Given, entered: Standing | None, facts: ModelFacts) -> tuple[Call, tuple[str, ...]]:
    """What the pipeline's call is made for, and what is to be told of its size.

    Args:
        stage: What is asked for.
        given: What goes into it.
        entered: The latents that enter its schedule, in the model's space; None without.
        facts: Its model's.
    """
    check_chains(stage, given)
    mode = check_mode(stage, given, entered, facts)
    size, notes = picture_size(stage, entered, given, facts)
    batch = stage.batch_size if entered is None else entered.shape[0]
    check_alone(batch, given, facts)
    frames = frame_count(stage, entered, facts, given)
    strength, pipeline = _strength(stage, given, entered), pipeline_of(mode, stage, facts)
    check_conditions(pipeline, facts)
    fps = frame_rate(stage, entered, facts, given)
    check_places(stage, given, facts, size, frames)
    before = None if entered is not None else size_before(stage, given, facts)
    call = Call(stage, given, mode, size, pipeline, strength, batch, frames, fps, before=before)
    facts.check(call)
    check_memory(call, facts, _itemsize(stage, facts))
    if isinstance(stage.sigmas, str):
        call = replace(call, stage=with_levels(stage, facts, size, mode, frames))
    return call, notes


def _set_schedule(scheduler: Any, call: Call, facts: ModelFacts) -> None:
    """Gives a scheduler the whole schedule of a call, as its pipeline will.

    Raises:
        ModelError: The scheduler is not for this, or makes no such schedule.
        WindowError: A noise level of it is not a number.
    """
    check_sigmas(call.stage, scheduler, facts, call.mode)
    request = timesteps.request(call.stage, facts, call.size, call.mode, call.frames)
    timesteps.set_timesteps(scheduler, facts.family.schedule, request)


def _entering(call: Call, entered: Standing | None, scheduler: Any, facts: ModelFacts) -> Entering:
    """Which steps run, by window and strength, and how the latents enter."""
    stage, pictures, family = call.stage, bool(call.given.images), facts.family
    noised = pictures and entered is None and not family.pictured
    first = first_step(call.pipeline, call.mode, scheduler, stage, call.strength) if noised else 0
    if renoises(stage, entered, pictures=pictures):
        return enter_noised(stage, scheduler, family, facts.boundary)
    entering = enter(stage, entered, scheduler, family, first, facts.boundary)
    raw = any(is_raw(latents, facts) for latents in call.given.latents)
    return doubted(entering, entered, RAW_FORM if raw else None)


def _dtype(stage: Stage, facts: ModelFacts) -> torch.dtype:
    """The dtype that a stage runs in."""
    dtype: torch.dtype = dtype_of(stage.model, facts, device_of(stage.model.device))
    return dtype


def _itemsize(stage: Stage, facts: ModelFacts) -> int:
    """Bytes of one value in that."""
    return int(_dtype(stage, facts).itemsize)


def _crosses(stage: Stage, latents: Standing | None, scheduler: Any, facts: ModelFacts, *, pictures: bool) -> bool:
    """Whether the given latents must cross into the model's space."""
    if latents is not None:
        begins = schedulers.backwards(scheduler) or renoises(stage, latents, pictures=pictures)
        return not check_fits(latents, facts.space, stage.model.name, backwards=begins)
    if stage.window.start:
        raise WindowError(
            f"{option('denoising_start')} {stage.window.start:g} needs latents to start from: "
            f'{option("image_seeds", "latents")} "latents: NAME" with latents that an earlier stage made with '
            f"{option('denoising_end')}.",
            option="denoising_start",
        )
    return False


def _strength(stage: Stage, given: Given, latents: Standing | None) -> float:
    """Latents carry their noise: their own run's strength keeps the pipeline's draws the same, else all of it."""
    if latents is None:
        return DEFAULT_STRENGTH if stage.strength is None else stage.strength
    own = latents.provenance.number("strength", 0.0, 1.0)
    if own is None and not latents.provenance.model:  # nobody but the stage knows it
        own = stage.strength
    leaves_steps = own is not None and int(own * stage.num_inference_steps) >= 1  # else inpainting refuses it
    return own if own is not None and given.images and leaves_steps else 1.0
