"""What a stage will do, once `prepare` has decided it: the dry run prints it, the run carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jupyter_latents.engine.given.changes import outline_after
from jupyter_latents.engine.given.inputs import Call, Given, Loop
from jupyter_latents.engine.given.outline import Outline, Standing
from jupyter_latents.engine.models.experts import ExpertWindow, pieces
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.rules.checks import pipeline_of
from jupyter_latents.engine.rules.origin import provenance_of
from jupyter_latents.engine.rules.passes import passes_of
from jupyter_latents.engine.schedule import beginning, schedulers
from jupyter_latents.engine.schedule.entering import Entering, first_step
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.engine.steering import StageWindow
from jupyter_latents.engine.vae.bridge import way
from jupyter_latents.engine.vae.receiving import Decoding
from jupyter_latents.latents.facts import Noise, Position
from jupyter_latents.stage import Stage

__all__ = ["Prepared"]


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
        weights: Bytes of the model's weights in the dtype that it runs in.
        windows: Windows that tile the steps, each with what steers it.
        switches: The steps of the whole schedule at which that changes.
        decodings: How latents in the place of pictures become pictures.
        experts: Windows of one denoiser each that tile the steps, of a model with two; else empty.
        notes: What is converted, rounded, assumed or contradicted, in the order of telling.
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
    weights: int
    windows: tuple[StageWindow, ...]
    switches: tuple[int, ...]
    decodings: tuple[Decoding, ...] = ()
    experts: tuple[ExpertWindow, ...] = ()
    notes: tuple[str, ...] = ()
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
    def noised(self) -> bool:
        """Whether a picture is noised to a strength, which is where the steps begin."""
        return bool(self.given.images) and self.latents is None and not self.facts.family.pictured

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
    def seed(self) -> int | None:
        """The stage's own, else that of the latents; None where the run draws one, or what made them is to run yet."""
        own = self.latents.provenance.seed if self.latents is not None else None
        return own if self.stage.seed is None else self.stage.seed

    @property
    def outline(self) -> Outline:
        """The facts of the latents that it will make."""
        stage, facts, span = self.stage, self.facts, self.span
        scheduler = type(self.scheduler).__name__
        position = Position(span.end, span.of, scheduler, self.entering.schedule, facts.digest)
        made = provenance_of(
            stage,
            facts,
            seed=self.seed,
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
