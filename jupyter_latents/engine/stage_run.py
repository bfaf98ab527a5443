"""One run of one stage: from a loaded model and resolved inputs to latents, step by step."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from jupyter_latents.engine.given.changes import has_network
from jupyter_latents.engine.given.incoming import RAW_FORM, brought, is_raw
from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.layout import LAYOUTS
from jupyter_latents.engine.libraries.compat import with_clip_skip
from jupyter_latents.engine.models.cache import LoadedModel
from jupyter_latents.engine.models.guiders import guided
from jupyter_latents.engine.observer import Observer, Phase, StepEvent
from jupyter_latents.engine.outcome import RunOrigin, StepLog
from jupyter_latents.engine.prepare import Prepared, prepare
from jupyter_latents.engine.prompts.encoding import prompt_encoder
from jupyter_latents.engine.result import StageResult
from jupyter_latents.engine.rules.calls import call_arguments, picture_arguments
from jupyter_latents.engine.run_steps import RunSteps
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.engine.schedule.entering import Entering, enter
from jupyter_latents.engine.schedule.level_tensor import level_tensor, onward_draws
from jupyter_latents.engine.schedule.strength import noised_again
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.engine.steering import StageWindow, changed
from jupyter_latents.engine.tap.finish import FINISHES
from jupyter_latents.engine.tap.states import Entry, Generators, StepState
from jupyter_latents.engine.tap.tap import Tap
from jupyter_latents.engine.vae.bridge import bridge, way
from jupyter_latents.errors import RunError, StoppedError
from jupyter_latents.latents.value import Latents
from jupyter_latents.wording import option

if TYPE_CHECKING:
    pass

__all__ = ["StageRun", "Watch", "Weights"]


@dataclass(frozen=True, slots=True)
class Watch:
    """Who watches a stage run, and may end it early.

    Attributes:
        observer: Is told phases and steps.
        before: Tells the observer a phase before the first step; raises `StoppedError` where it shall not go on.
        after: Asked after each step; True ends the stage there.
    """

    observer: Observer
    before: Callable[[Phase], None]
    after: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Weights:
    """What a stage runs on.

    Attributes:
        model: The model, loaded.
        vae_of: Finds the VAE that latents belong to.
        load: Loads the model with these of its experts, the others left out.
    """

    model: LoadedModel
    vae_of: Callable[[Latents], Any]
    load: Callable[[tuple[str, ...]], LoadedModel] | None = None


class StageRun:
    """One run of one stage, as it was prepared; holds what its steps share.

    Args:
        prepared: What is to be done.
        inputs: The stage's resolved image seed.
        weights: What it runs on.
        watch: Who watches it.
    """

    def __init__(self, prepared: Prepared, inputs: Inputs, weights: Weights, watch: Watch) -> None:
        self.prepared, self.inputs, self.weights, self.watch = prepared, inputs, weights, watch
        self.model, self.observer = weights.model, watch.observer
        self.stage, self.facts, self.family = prepared.stage, self.model.facts, self.model.facts.family
        self.layout = LAYOUTS[self.family.layout]
        self.given = prepared.latents if isinstance(prepared.latents, Latents) else None
        self.parents = tuple(latents.digest for latents in inputs.latents)
        self.seed = secrets.randbelow(2**32) if prepared.seed is None else prepared.seed
        self.generator: Generators = self._fresh_generator()
        self.made = RunSteps(self.layout, self._origin())

    @property
    def done(self) -> StepLog:
        """The steps that are done."""
        return self.made.done

    def go(self) -> StageResult:
        """Runs it."""
        self.steps()
        return self.result()

    def steps(self) -> None:
        """Runs its steps, which `done` then holds."""
        facts = self.facts
        for note in self.prepared.notes:
            self.observer.note(note, warning=note in self.prepared.warnings)
        if has_network(self.stage.latents_processors):
            self._upscale()
        if self.given is not None and self.prepared.crosses:
            self._bridge(self.given)
        call = self.prepared.call
        self.done.shape = facts.space.shape_for(*call.size, call.batch, call.frames)
        self.done.switches = self.prepared.switches
        pictures = picture_arguments(call, self.family, self.inputs)
        self.watch.before(Phase("encoding"))
        for window, experts in self.prepared.pieces:
            self._window(window, pictures, self._model(experts))
            if self.done.stopped:
                return

    def _model(self, experts: tuple[str, ...] | None) -> LoadedModel:
        """The model with those of its denoisers that the next steps need; the others may leave."""
        return self.model if experts is None or self.weights.load is None else self.weights.load(experts)

    def _window(self, window: StageWindow, pictures: Mapping[str, Any], model: LoadedModel) -> None:
        """Runs the steps of one window, which go on from those that are done as a stage of their own would."""
        goes_on = bool(self.done.states)
        call = self.prepared.call_of(window)
        own = call_arguments(call, self.family)
        arguments = {**own, **pictures, **self.facts.arguments(call, self.inputs)}
        if goes_on:
            self.generator = self._fresh_generator()  # what it drew by then comes with the latents
        encoder = prompt_encoder(call.stage, self.family.text)
        scheduler = schedulers.build(self.stage.scheduler, *self.facts.scheduler, seed=self.seed)
        components = guided(model.components(call.pipeline), self.family, call.stage.guidance_scale)
        if self.stage.clip_skip is not None:
            components = with_clip_skip(components)
        tap = Tap(
            scheduler,
            self.generator,
            partial(self._go_on if goes_on else self._enter, window),
            self._after_step,
            None if encoder is None else encoder.encode,
            self.made.extreme,
            FINISHES[self.family.finish],
        )
        try:
            tap.run(
                call.pipeline,
                components if encoder is None else encoder.components(components),
                arguments,
                partial(model.prepared, window.active),
            )
            self.made.settle()
        except StoppedError:
            if not goes_on:
                raise
            self.done.stopped = True  # while the next texts were encoded: the steps that are done stay

    def _upscale(self) -> None:
        """Has a network change the given latents, which the plan knew the facts of."""
        self.watch.before(Phase("bridging"))
        self._go_on_with(
            brought(
                self.stage, self.inputs.latents, self.facts, lambda: self.model.vae_for_decoding, self.inputs.pasted
            )
        )

    def _bridge(self, given: Latents) -> None:
        """Brings the given latents into the model's space; a converter of somebody's own may make another size."""
        self.watch.before(Phase("bridging"))
        crossed = bridge(
            given, lambda: self.weights.vae_of(given), self.model.vae_for_decoding, self.facts.space, self.family.align
        )
        by, again = way(given.space, self.facts.space), "" if given.is_clean else f", noised again to {given.noise}"
        self.observer.note(
            f"bridged space: the clean estimate went from {given.space} to {self.facts.space}{by}{again}"
        )
        self._go_on_with(crossed)

    def _go_on_with(self, latents: Latents) -> None:
        """Takes latents in the place of those that were given; they are processed already."""
        plain = replace(self.stage, latents_processors=())
        kept = len(plain.pasted)
        pasted = self.inputs.pasted[len(self.inputs.pasted) - kept :]
        self.given, self.inputs = latents, replace(self.inputs, latents=(latents,), pasted=pasted)
        self.prepared = replace(prepare(plain, Given.of(self.inputs), self.facts), stage=self.stage)
        self.made.origin = self._origin()

    def _fresh_generator(self) -> torch.Generator:
        return torch.Generator("cpu").manual_seed(self.seed)

    def _enter(self, window: StageWindow, scheduler: Any, skipped: int) -> Entry:
        """Where the first window enters the schedule."""
        entering = self._agreed(scheduler, skipped)
        self.done.schedule = entering.schedule
        self._begin(entering.span, scheduler)
        end_index = entering.span.index(window.end) if len(self.prepared.pieces) > 1 else entering.span.end_index
        if self.given is None or entering.way is None:
            return Entry(entering.span.start_index, end_index)
        if entering.renoised:
            clean = self.given.tensor.to(self.model.device)
            noised, after = noised_again(clean, scheduler, entering.span.start_index, self.seed)
            return Entry(entering.span.start_index, end_index, self.layout.pack(noised), None, after)
        extra = torch.Generator("cpu").manual_seed((self.seed ^ 0x9E3779B9) % 2**63)
        raw = any(is_raw(latents, self.facts) for latents in self.inputs.latents)
        form = RAW_FORM if raw else entering.way.form
        tensor = level_tensor(self.given, entering.way.noise, extra, form)
        resume = self.given.resume if entering.exact else None
        drawn: Any = resume.generator if resume is not None and self.seed == self.given.provenance.seed else None
        return Entry(
            entering.span.start_index,
            end_index,
            self.layout.pack(tensor.to(self.model.device)),
            resume.scheduler if resume else None,
            onward_draws(self.seed, self.given.noise) if drawn is None else drawn,
        )

    def _go_on(self, window: StageWindow, scheduler: Any, _skipped: int) -> Entry:
        """Where a further window goes on: at the last step that is done, with its history.

        Raises:
            RunError: The pipeline has set another schedule than before, or the scheduler's history cannot be carried.
        """
        last, span = self.done.states[-1], self.prepared.span
        if not self._is_set(scheduler, self.done.schedule) or last.scheduler is None:
            name = type(scheduler).__name__
            why = "its history cannot be carried" if last.scheduler is None else "it set another schedule than before"
            before = [one for one in self.prepared.windows if one.start < window.start][-1]
            what = changed(before, window) or ("expert",)
            raise RunError(
                f"{name} cannot go on with another {' and '.join(what)} at step {window.start}: "
                f"{why}. Use another {option('schedulers')}, or leave the change out.",
                option="schedulers",
            )
        drawn: Any = last.generator
        return Entry(span.index(window.start), span.index(window.end), last.latents, last.scheduler, drawn)

    def _agreed(self, scheduler: Any, skipped: int) -> Entering:
        """Where the run enters the schedule that its pipeline has set: as prepared.

        Raises:
            RunError: The pipeline has set another schedule than the one that was prepared for it.
        """
        planned, first = self.prepared, skipped // int(scheduler.order) if self.given is None else 0
        if self._is_set(scheduler, planned.entering.schedule):
            if self.given is not None or first == planned.entering.first:
                return planned.entering
        elif not self.family.foreseen:
            self.observer.note(f"{self.family.name} sets a schedule of its own: the steps told before may differ")
            return enter(self.stage, self.given, scheduler, self.family, first, self.facts.boundary)
        raise RunError(
            f"{planned.call.pipeline.__name__} set another schedule than was planned: {_shown(scheduler)} from step "
            f"{first}, and not {_shown(planned.scheduler)} from step {planned.entering.first}. Nothing was run; please "
            "report this with the model's name."
        )

    def _is_set(self, scheduler: Any, digest: str) -> bool:
        """Whether a pipeline has set a schedule, or the planned one but for the rounding of its device."""
        return schedulers.schedule_digest(scheduler) == digest or schedulers.near(scheduler, self.prepared.scheduler)

    def _begin(self, span: Span, scheduler: Any) -> None:
        self.done.span, self.done.scheduler = span, scheduler
        level = schedulers.level(scheduler, span.start_index)
        self.watch.before(Phase("denoising", span=span, noise=level, switches=self.done.switches))

    def _after_step(self, state: StepState) -> bool:
        span = self.done.span
        step = span.step(state.index) if span is not None else None
        if span is None or step is None:
            return True
        self.made.add(state)
        event = StepEvent(step, state.index, span, schedulers.level(self.done.scheduler, state.index))
        self.observer.step(event, self.made)
        if step < span.end and self.watch.after():
            self.done.stopped = True
            return False
        return True

    def _origin(self) -> RunOrigin:
        prepared = self.prepared
        return RunOrigin(self.model, self.stage, self.seed, prepared.strength, self.given, self.parents, prepared.said)

    def result(self) -> StageResult:
        """What its steps made, decoded where it is clean; see `RunSteps.result`."""
        return self.made.result(self.observer)

    def partial(self) -> StageResult | None:
        """What there is after a failure; see `RunSteps.partial`."""
        return self.made.partial()

    @property
    def scheduler_name(self) -> str:
        """Class name of the scheduler asked for, or of the model's own."""
        return self.stage.scheduler.name if self.stage.scheduler else self.facts.scheduler[0]


def _shown(scheduler: Any) -> str:
    """A schedule in words."""
    steps = [f"{timestep:.4g}" for timestep in scheduler.timesteps.tolist()]
    few = steps if len(steps) < 5 else [*steps[:2], "…", *steps[-2:]]
    return f"{type(scheduler).__name__} with {len(steps)} timesteps ({', '.join(few)})"
