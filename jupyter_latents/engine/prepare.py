"""The one decision of a stage: what it will do. The dry run prints it, the run carries it out; no weights are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from jupyter_latents.engine.failures.extremes import check_range
from jupyter_latents.engine.given.changes import outline_after
from jupyter_latents.engine.given.incoming import incoming
from jupyter_latents.engine.given.inputs import Call, Given, Loop
from jupyter_latents.engine.given.outline import Outline, Standing
from jupyter_latents.engine.given.processing import check_chains
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.models.experts import ExpertWindow, check_experts, expert_windows, pieces, shared_note
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.unused import unused_notes
from jupyter_latents.engine.models.load import dtype_of
from jupyter_latents.engine.models.memory import device_of
from jupyter_latents.engine.models.offload import check_offload, offload_note
from jupyter_latents.engine.models.optimize import check_optimize
from jupyter_latents.engine.prompts.windows import check_prompts, prompt_remarks
from jupyter_latents.engine.rules.calls import call_arguments, check_clip_skip
from jupyter_latents.engine.rules.checks import check_mode, check_sigmas, pipeline_of
from jupyter_latents.engine.rules.frames import check_alone, frame_count, frame_rate
from jupyter_latents.engine.rules.needs import check_memory
from jupyter_latents.engine.rules.origin import provenance_of
from jupyter_latents.engine.rules.passes import check_joined, passes_of, passes_remark
from jupyter_latents.engine.rules.remarks import remarks
from jupyter_latents.engine.rules.sharing import sharing_note
from jupyter_latents.engine.rules.sizes import picture_size, size_before
from jupyter_latents.engine.rules.sound import check_sound, sound_note
from jupyter_latents.engine.rules.spacing import idle_spacings
from jupyter_latents.engine.schedule import beginning, schedulers, timesteps
from jupyter_latents.engine.schedule.entering import Entering, enter, enter_noised, first_step
from jupyter_latents.engine.schedule.expressions import with_levels
from jupyter_latents.engine.schedule.fit import check_fits
from jupyter_latents.engine.schedule.handoff import grid_of
from jupyter_latents.engine.schedule.strength import renoises
from jupyter_latents.engine.schedule.trial import check_steps
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.engine.steering import StageWindow, stage_windows, steering_remarks, windows_of
from jupyter_latents.engine.vae.bridge import crossing, way
from jupyter_latents.engine.vae.receiving import Decoding, decoding
from jupyter_latents.errors import WindowError
from jupyter_latents.latents.facts import Noise, Position
from jupyter_latents.stage import DEFAULT_STRENGTH, Stage
from jupyter_latents.wording import option

__all__ = ["Prepared", "prepare"]

_NOTHING = Given()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a stage will do.

    Attributes:
        stage: What was asked for.
        facts: Its model's.
        given: What goes into it.
        latents: The latents that it enters its schedule with, before they cross into its model's space; None without.
        crosses: Whether they cross.
        call: The pipeline with mode, size, strength and batch.
        arguments: The pipeline's arguments that are neither tensors nor pictures.
        scheduler: A scheduler with the whole schedule set; nobody steps it.
        entering: Which steps run, and how the latents enter.
        notes: What is converted, rounded, assumed or contradicted, in the order of telling.
        weights: Bytes of the model's weights in the dtype that it runs in.
        windows: Windows that tile the steps, each with what steers it.
        switches: The steps of the whole schedule at which that changes.
        experts: Windows of one denoiser each that tile the steps, of a model with two; else empty.
        decodings: How latents in the place of pictures become pictures.
        warnings: Those of the notes that say that the stage was asked for one thing and given another.
    """

    stage: Stage
    facts: ModelFacts
    given: Given
    latents: Standing | None
    crosses: bool
    call: Call
    arguments: Mapping[str, Any]
    scheduler: Any
    entering: Entering
    notes: tuple[str, ...]
    weights: int
    windows: tuple[StageWindow, ...]
    switches: tuple[int, ...]
    decodings: tuple[Decoding, ...] = ()
    experts: tuple[ExpertWindow, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def pieces(self) -> list[tuple[StageWindow, tuple[str, ...] | None]]:
        """Windows of one set of texts and one denoiser each that tile the steps, with the denoisers' names."""
        return pieces(self.windows, self.experts)

    @property
    def mode(self) -> str:
        """``txt2img``, ``img2img`` or ``inpaint``."""
        return self.call.mode

    @property
    def strength(self) -> float | None:
        """How much the picture is noised; None without one, or where it steers the steps instead."""
        return self.call.strength if self.given.images and not self.steered else None

    @property
    def steered(self) -> bool:
        """Whether a picture steers every step."""
        return bool(self.given.images) and self.facts.family.pictured

    @property
    def said(self) -> Mapping[str, str]:
        """What its results say of the run besides, as options."""
        pictures = {"pictures": "1"} if self.steered else {}
        return {**pictures, "fps": f"{self.call.fps:g}"} if self.facts.space.moves else pictures

    @property
    def span(self) -> Span:
        """The whole steps that run."""
        return self.entering.span

    def call_of(self, window: StageWindow) -> Call:
        """The pipeline with mode, size, strength and batch, for the steps of a window.

        Args:
            window: One of its windows.
        """
        facts, active = self.facts, window.active
        pipeline = self.call.pipeline
        if facts.steering_by(active) != facts.steering:
            pipeline = pipeline_of(self.call.mode, window.stage, facts, active)
        loop = self._loop(window) if facts.steering else None
        return replace(self.call, stage=window.stage, pipeline=pipeline, loop=loop, active=active)

    def _loop(self, window: StageWindow) -> Loop:
        """The timesteps that the pipeline's loop sees for a window: those from its start to the schedule's end.

        Args:
            window: One of its windows.
        """
        call, whole = self.call, len(self.scheduler.timesteps)
        begun = 0
        if self.given.images:
            first = first_step(call.pipeline, call.mode, self.scheduler, self.stage, call.strength)
            begun = first * int(self.scheduler.order)
        start = self.span.index(window.start)
        anew = self.latents is not None and not self.entering.exact and window.start == self.span.start
        indices = beginning.indices(self.scheduler, start) if anew else range(start, whole)
        return Loop([index - begun for index in indices], whole - begun)

    @property
    def passes(self) -> int:
        """Passes of the denoiser for one picture: with guidance two an evaluation."""
        return passes_of(self.windows, self.span, self.facts)

    @property
    def start(self) -> Noise:
        """Noise level at the start."""
        return schedulers.level(self.scheduler, self.span.start_index)

    @property
    def end(self) -> Noise:
        """Noise level at the end."""
        return schedulers.level(self.scheduler, self.span.end_index)

    @property
    def verdict(self) -> str:
        """How given latents enter, in words; which VAE decodes those in the place of a picture; empty without."""
        if self.latents is None:
            vaes = dict.fromkeys(one.vae for one in self.decodings)
            return f"decoded by {' and '.join(vaes)}" if vaes else ""
        if self.crosses:
            by = way(self.latents.space, self.facts.space)
            return f"bridged space, {self.latents.space} to {self.facts.space}{by}"
        return self.entering.word(self.stage, self.latents, self.facts.digest)

    @property
    def outline(self) -> Outline:
        """The facts of the latents that it will make."""
        stage, facts, span = self.stage, self.facts, self.span
        scheduler = type(self.scheduler).__name__
        position = Position(span.end, span.of, scheduler, self.entering.schedule, facts.digest)
        own = self.latents.provenance.seed if self.latents is not None else None
        made = provenance_of(
            stage,
            facts,
            seed=own if stage.seed is None else stage.seed,
            strength=self.strength,
            beside=self.said,
        )
        shape = facts.space.shape_for(*self.call.size, self._items, self.call.frames)
        outline = Outline(shape, facts.space, self.end, position, made)
        return outline_after(stage, outline, self.given.pasted, facts)

    @property
    def _items(self) -> int:
        """Latents that the pipeline makes at once: for several input images it makes as many for each."""
        images = 0 if self.facts.family.reads_clips else len(self.given.images)
        return self.call.batch if images < 2 else int(self.arguments["num_images_per_prompt"]) * images


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
    check_experts(stage.model, facts.boundary)
    check_prompts(stage, facts.family.text, facts.family.name)
    optimize = check_optimize(stage.model, facts)
    check_offload(stage.model, facts)
    latents = incoming(stage, given.latents, facts, given.pasted)
    check_range(latents, _dtype(stage, facts))
    scheduler = schedulers.build(stage.scheduler, *facts.scheduler, seed=stage.seed or 0)
    crosses = _crosses(stage, latents, scheduler, facts, pictures=bool(given.images))
    entered = crossing(latents, facts.space, facts.family.align) if latents is not None and crosses else latents
    call, notes = _call(stage, given, entered, facts)
    if isinstance(stage.sigmas, str):
        stage = with_levels(stage, facts, call.size, call.mode, call.frames)
        call = replace(call, stage=stage)
    arguments = call_arguments(call, facts.family)
    check_clip_skip(stage, facts)
    check_sigmas(stage, scheduler, facts, call.mode)
    request = timesteps.request(stage, facts, call.size, call.mode, call.frames)
    timesteps.set_timesteps(scheduler, facts.family.schedule, request)
    noised = bool(given.images) and latents is None and not facts.family.pictured
    first = first_step(call.pipeline, call.mode, scheduler, stage, call.strength) if noised else 0
    if renoises(stage, entered, pictures=bool(given.images)):
        entering = enter_noised(stage, scheduler, facts.family, facts.boundary)
    else:
        entering = enter(stage, entered, scheduler, facts.family, first, facts.boundary)
    check_sound(entered, facts, entering)
    check_memory(call, facts, _itemsize(stage, facts), entering.span.end - entering.span.start, scheduler)
    check_steps(scheduler, entering.schedule, entering.span.start_index, entering.span.end_index)
    decodings = tuple(decoding(one, facts, stage.model) for one in given.decoded)
    notes = (*given.notes, *dict.fromkeys(note for one in decodings for note in one.notes), *notes)
    beside = remarks(call, facts, entered, noised=noised and not schedulers.backwards(scheduler))
    span, grid = entering.span, grid_of(scheduler, boundary=facts.boundary)
    whole = stage_windows(stage, replace(span, start=0, end=span.of), grid)
    windows, experts = windows_of(whole, span), expert_windows(facts, scheduler, span)
    check_joined(windows, facts)
    switches = {*(one.start for one in whole[1:]), *(one.start for one in experts[1:])}
    beside = (
        offload_note(stage.model),
        shared_note(experts, stage),
        *idle_spacings(stage, facts, scheduler, request),
        *beside,
    )
    beside, doubt = (*unused_notes(facts), *beside), entering.way.warning if entering.way is not None else ""
    warnings = (*notes, *beside, *prompt_remarks(stage), *filter(None, (doubt,)))
    beside = (*beside, *((f"experts: {', '.join(map(str, experts))}",) if experts else ()), sound_note(facts))
    alone = sharing_note(stage, given, len(pieces(windows, experts)), facts.family)
    steering = (*prompt_remarks(stage), *steering_remarks(windows), passes_remark(windows, span, facts), alone)
    told = (
        *notes,
        *facts.notes(call),
        *filter(None, (*beside, *steering)),
        *entering.notes,
        *(choice.note for choice in optimize),
    )
    weights = facts.values * _itemsize(stage, facts)
    return Prepared(
        stage, facts, given, latents, crosses, call, arguments, scheduler, entering, told, weights, windows,
        tuple(sorted(switches)), decodings, experts, warnings,
    )  # fmt: skip


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
    fps = frame_rate(stage, entered, facts, given)
    before = None if entered is not None else size_before(stage, given, facts)
    call = Call(stage, given, mode, size, pipeline, strength, batch, frames, fps, before=before)
    facts.check(call)
    check_memory(call, facts, _itemsize(stage, facts))
    return call, notes


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
    if not given.images:
        return 1.0
    if stage.strength is not None:
        return stage.strength
    own = latents.provenance.number("strength", 0.0, 1.0)
    return 1.0 if own is None else own
