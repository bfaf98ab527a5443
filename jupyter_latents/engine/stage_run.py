"""One run of one stage: from a loaded model and resolved inputs to latents, step by step."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from jupyter_latents.engine import codec
from jupyter_latents.engine.bridge import bridge
from jupyter_latents.engine.calls import Inputs, arguments, control_arguments, mode_of, picture_size
from jupyter_latents.engine.compat import with_clip_skip
from jupyter_latents.engine.layout import LAYOUTS
from jupyter_latents.engine.models.cache import LoadedModel
from jupyter_latents.engine.observer import Observer, Phase, StepEvent
from jupyter_latents.engine.outcome import Done, Origin, finite, kept, told
from jupyter_latents.engine.processors import process
from jupyter_latents.engine.result import StageResult
from jupyter_latents.engine.schedule import handoff, schedulers
from jupyter_latents.engine.schedule import timesteps as shifts
from jupyter_latents.engine.schedule.history import NO_HISTORY, objection
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.engine.tap import Entry, Generators, StepState, Tap
from jupyter_latents.errors import HandoffError, ModelError, RunError, WindowError
from jupyter_latents.latents.facts import Form, Resume
from jupyter_latents.latents.files.comfy_file import RAW_VAE, model_from_raw
from jupyter_latents.latents.operations import batch
from jupyter_latents.latents.value import Latents
from jupyter_latents.optimizations import notes
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

__all__ = ["StageRun", "Stops"]

_DEFAULT_STRENGTH = 0.8


@dataclass(frozen=True, slots=True)
class Stops:
    """Where a stage may end early.

    Attributes:
        before: Tells the observer a phase before the first step; raises `StoppedError` where it shall not go on.
        after: Asked after each step; True ends the stage there.
    """

    before: Callable[[Phase], None]
    after: Callable[[], bool]


class StageRun:
    """One run of one stage; holds what its steps share.

    Args:
        model: The model, loaded.
        stage: What to do.
        inputs: Its resolved image seed.
        observer: Is told phases and steps.
        stops: Where it may end early.
        vae_of: Finds the VAE that latents belong to.
    """

    def __init__(
        self,
        model: LoadedModel,
        stage: Stage,
        inputs: Inputs,
        observer: Observer,
        stops: Stops,
        vae_of: Callable[[Latents], Any],
    ) -> None:
        self.model, self.stage, self.inputs, self.observer, self.stops = model, stage, inputs, observer, stops
        self.facts, self.family = model.facts, model.facts.family
        self.vae_of = vae_of
        self.layout = LAYOUTS[self.family.layout]
        self.given = _joined(inputs.latents)
        self.parents = tuple(latents.digest for latents in inputs.latents)
        self.given_form: Form | None = None
        self.done = Done()
        self.seed = self._seed()
        self.generator: Generators = torch.Generator("cpu").manual_seed(self.seed)

    def go(self) -> StageResult:
        """Runs it."""
        self.steps()
        return self.result()

    def steps(self) -> None:
        """Runs its steps, which `done` then holds."""
        stage, facts = self.stage, self.facts
        mode = mode_of(self.inputs, self.family)
        if self.given is not None and self.given.space is not None and self.given.space.name == RAW_VAE:
            self.given_form = "ve"  # ComfyUI's files have signal coefficient 1
            self.given = self.given.replace(tensor=model_from_raw(self.given.tensor, facts.space), space=facts.space)
        if self.given is not None and stage.latents_processors:
            own = schedulers.build(None, *facts.scheduler)
            self.given = process(self.given, stage.latents_processors, own)
        scheduler = schedulers.build(stage.scheduler, *facts.scheduler, seed=self.seed)
        if self.given is not None:
            inverts = schedulers.backwards(scheduler)
            if not handoff.check_fits(self.given, facts.space, stage.model.name, backwards=inverts):
                self.given = self._bridged(self.given)
                self.inputs = replace(self.inputs, latents=(self.given,))  # of another shape, perhaps another size
        elif stage.window.start:
            raise WindowError(
                f'--denoising-start {stage.window.start:g} needs latents to start from: --image-seeds "latents: NAME" '
                "with latents that an earlier stage made with --denoising-end."
            )
        for note in notes(stage.model.optimize):
            self.observer.note(note)
        pipeline_class = self._pipeline_class(mode)
        size = self._size()
        self.done.latent_size = (size[1] // facts.space.factor, size[0] // facts.space.factor)
        call = arguments(pipeline_class, self.family, stage, self.inputs, size, self._strength())
        if self.model.control:
            call |= control_arguments(self.model.control, stage, self.inputs, mode, size)
        shifts.check_takes(scheduler, self.family.schedule, self.family.name, mode)
        self.stops.before(Phase("encoding"))
        Tap(scheduler, self.generator, self._enter, self._after_step).run(
            pipeline_class, self._components(pipeline_class), call, self.model.prepared
        )

    def _bridged(self, given: Latents) -> Latents:
        self.stops.before(Phase("bridging"))
        crossed = bridge(
            given, lambda: self.vae_of(given), self.model.vae_for_decoding, self.facts.space, self.family.align
        )
        again = "" if given.is_clean else f", noised again to {given.noise}"
        self.observer.note(f"bridged space: the clean estimate went from {given.space} to {self.facts.space}{again}")
        return crossed

    def _seed(self) -> int:
        if self.stage.seed is not None:
            return self.stage.seed
        own = self.given.provenance.seed if self.given is not None else None
        return own if own is not None else secrets.randbelow(2**32)

    def _strength(self) -> float | None:
        """Latents carry their noise: their own run's strength keeps the pipeline's draws the same, else all of it."""
        if self.given is None:
            return _DEFAULT_STRENGTH if self.stage.strength is None else self.stage.strength
        if self.stage.strength is not None:
            return self.stage.strength
        return float(self.given.provenance.options.get("strength", 1.0))

    def _pipeline_class(self, mode: str) -> type:
        import diffusers

        name = self.family.pipeline_name(mode, control=bool(self.model.control))
        found: type | None = getattr(diffusers, name, None)
        if found is None or not hasattr(found, "prepare_latents"):
            raise ModelError(
                f"{name} of {self.stage.model.name} cannot be tapped: diffusers {diffusers.__version__} has no such "
                f"class with prepare_latents."
            )
        return found

    def _components(self, pipeline_class: type) -> dict[str, Any]:
        parameters = inspect.signature(pipeline_class.__init__).parameters  # type: ignore[misc]
        components = {name: part for name, part in self.model.parts.items() if name in parameters}
        for name, parameter in parameters.items():
            if name in ("self", "scheduler") or name in components:
                continue
            if parameter.default is inspect.Parameter.empty:
                components[name] = None
            elif name in self.facts.index and not isinstance(self.facts.index[name], list):
                components[name] = self.facts.index[name]
        if "requires_safety_checker" in parameters:
            components["requires_safety_checker"] = False
        if self.model.offload is None:  # diffusers' offload moves modules, which must be the encoders themselves
            components = self.model.encodings.remembering(components)
        return components if self.stage.clip_skip is None else with_clip_skip(components)

    def _size(self) -> tuple[int, int]:
        size = picture_size(
            self.stage, self.inputs, self.facts.default_size, self.facts.space.factor, self.family.align
        )
        wanted = self.stage.size
        if self.given is not None and wanted is not None and (wanted.width, wanted.height) != size:
            raise HandoffError(
                f"--output-size {wanted} does not fit latents of shape {self.given.shape}, which are "
                f"{size[0]}x{size[1]} pixels. Leave it out."
            )
        return size

    def _enter(self, scheduler: Any, skipped: int) -> Entry:
        first = skipped // int(scheduler.order) if self.given is None else 0
        span = handoff.fractions_span(self.stage.window, scheduler, self.family.fraction, first)
        self.done.schedule = schedulers.schedule_digest(scheduler)
        if self.given is None:
            self._begin(span, scheduler)
            return Entry(span.start_index, span.end_index)
        way = handoff.entrance(self.given, self.stage.window, scheduler, span, self.done.schedule)
        for note in way.notes:
            self.observer.note(note)
        if way.warning:
            self.observer.note(way.warning, warning=True)
        self._begin(way.span, scheduler)
        extra = torch.Generator("cpu").manual_seed((self.seed ^ 0x9E3779B9) % 2**63)
        tensor = handoff.level_tensor(self.given, way.noise, extra, self.given_form)
        packed = self.layout.pack(tensor.to(self.model.device))
        resume = self._history(scheduler, way, packed.shape) if way.exact else None
        drawn: Any = resume.generator if resume is not None and self.seed == self.given.provenance.seed else None
        return Entry(
            way.span.start_index,
            way.span.end_index,
            packed,
            resume.scheduler if resume else None,
            handoff.onward_draws(self.seed, self.given.noise) if drawn is None else drawn,
        )

    def _history(self, scheduler: Any, way: handoff.Entrance, shape: torch.Size) -> Resume | None:
        """The given latents' resume state where it can be used; a note says where it cannot."""
        resume = self.given.resume if self.given is not None else None
        why = NO_HISTORY
        if resume is not None:
            why = objection(resume, scheduler, way.span.start_index, shape)
        if why:
            self.observer.note(f"continues without history: {why}")
            return None
        return resume

    def _begin(self, span: Span, scheduler: Any) -> None:
        self.done.span, self.done.scheduler = span, scheduler
        self.stops.before(Phase("denoising", span=span, noise=schedulers.level(scheduler, span.start_index)))

    def _after_step(self, state: StepState) -> bool:
        span = self.done.span
        step = span.step(state.index) if span is not None else None
        if span is None or step is None:
            return True
        self.done.states.append(state)
        event = StepEvent(step, state.index, span, schedulers.level(self.done.scheduler, state.index))
        self.observer.step(event, self)
        if step < span.end and self.stops.after():
            self.done.stopped = True
            return False
        return True

    def preview(self) -> list[Image]:
        """See `Look.preview`."""
        state = self.done.states[-1]
        shown = state.denoised if state.denoised is not None else state.latents
        return self.model.previewer().images(self._unpacked(shown))

    def values(self) -> np.ndarray[Any, Any]:
        """See `Look.values`."""
        return self._unpacked(self.done.states[-1].latents).float().cpu().numpy()

    def _unpacked(self, held: torch.Tensor) -> torch.Tensor:
        return self.layout.unpack(held, *self.done.latent_size)

    @property
    def _origin(self) -> Origin:
        strength = self._strength() if self.inputs.images else None
        return Origin(self.model, self.stage, self.seed, strength, self.given, self.parents)

    def result(self) -> StageResult:
        """What its steps made, decoded where it is clean."""
        if not self.done.states or self.done.span is None:
            raise RunError(f"{self.stage.model.name} ran no step: its pipeline called no callback_on_step_end.")
        latents = kept(self.done, self._origin)
        images: tuple[Image, ...] = ()
        if latents.is_clean:
            self.observer.phase(Phase("decoding"))
            images = tuple(codec.to_pil(codec.decode(latents.tensor, self.model.vae_for_decoding)))
        return told(self.done, self._origin, latents, images)

    def partial(self) -> StageResult | None:
        """What there is after a failure: the steps done before it, ready to be continued; None before the first."""
        done = finite(self.done)
        return told(done, self._origin, kept(done, self._origin)) if done is not None else None

    @property
    def scheduler_name(self) -> str:
        """Class name of the scheduler asked for, or of the model's own."""
        return (self.stage.scheduler or self.facts.scheduler[0]).partition(";")[0]


def _joined(given: tuple[Latents, ...]) -> Latents | None:
    """Several latents as one batch; their facts must agree."""
    if len(given) < 2:
        return given[0] if given else None
    return batch(given)
