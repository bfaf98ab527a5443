"""The engine of this process: `Stage` and inputs to a result, steps told to an observer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_latents.engine.answers import Course, ModelCard, PartRow
from jupyter_latents.engine.course import card_of, course_of
from jupyter_latents.engine.failures.relief import Relief, is_memory_error, let_go
from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.libraries import versions
from jupyter_latents.engine.libraries.quiet import gather_messages
from jupyter_latents.engine.models.cache import LoadedModel, ModelCache
from jupyter_latents.engine.models.describe import describe, description_scope, whole
from jupyter_latents.engine.models.experts import EXPERTS
from jupyter_latents.engine.models.files.digests import FileMark, written_over
from jupyter_latents.engine.models.files.unused import unused_notes
from jupyter_latents.engine.models.load import dtype_of
from jupyter_latents.engine.models.memory import device_of
from jupyter_latents.engine.observer import Observer, Phase, Reading, Silent
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.result import StageResult
from jupyter_latents.engine.rules.origin import fps_of
from jupyter_latents.engine.seed_batch import run_batch
from jupyter_latents.engine.stage_run import StageRun, Watch, Weights
from jupyter_latents.engine.vae import codec
from jupyter_latents.engine.vae.bridge import converter
from jupyter_latents.engine.vae.decoder import Decoder
from jupyter_latents.errors import JupyterLatentsError, ModelError, RunError, StoppedError, cause
from jupyter_latents.latents.spaces import Space
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import ModelSource, Stage

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.settings import Settings

__all__ = ["LocalEngine"]

_NOTHING = Inputs()
_FOREIGN = (RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError, ImportError, MemoryError)


class LocalEngine:
    """Runs stages on models that it keeps; see `Engine`.

    Args:
        cache: The models; a new cache when None.
    """

    def __init__(self, cache: ModelCache | None = None) -> None:
        self.cache = cache or ModelCache()
        self._decoder = Decoder(self.cache)

    def heed(self, settings: Settings) -> None:
        """Heeds the budgets of one more session, as long as its settings are held; the smallest holds.

        Args:
            settings: Those of the session.
        """
        self.cache.budget.heed(settings)

    @contextmanager
    def scope(self, tell: Callable[[str, bool], None]) -> Iterator[None]:
        """See `Engine.scope`."""
        with gather_messages(tell), description_scope():
            yield

    def describe(self, model: ModelSource) -> ModelCard:
        """See `Engine.describe`."""
        return card_of(describe(model))

    def fetch(self, model: ModelSource) -> None:
        """See `Engine.fetch`."""
        whole(model)

    def prepare(self, stage: Stage, given: Given) -> Course:
        """See `Engine.prepare`."""
        return course_of(prepare(stage, given))

    def numerics(
        self, model: ModelSource, spaces: Sequence[Space] = (), decoded: Sequence[Standing] = ()
    ) -> str | None:
        """See `Engine.numerics`."""
        facts, device = describe(model), device_of(model.device)
        if any(not space.same_as(facts.space) and converter(space, facts.space) for space in spaces):
            return None
        libraries = sorted(versions.versions_that_decide().items())
        others = [self._decoder.digest(latents, facts, model) for latents in decoded]
        return repr((libraries, versions.numerics(device), str(dtype_of(model, facts, device)), *others))

    def read_ahead(self, model: ModelSource, tell: Callable[[Reading], None]) -> bool:
        """See `Engine.read_ahead`."""
        return self.cache.read_ahead(model, tell)

    def holdings(self) -> list[PartRow]:
        """See `Engine.holdings`."""
        return self.cache.rows()

    def unload(self, name: str | None = None) -> int:
        """See `Engine.unload`."""
        return self.cache.unload(name)

    def run(
        self,
        stage: Stage,
        inputs: Inputs = _NOTHING,
        observer: Observer | None = None,
        stopped: Callable[[], bool] = lambda: False,
        stop_asked: Callable[[], bool] = lambda: False,
    ) -> StageResult:
        """See `Engine.run`.

        Foreign errors come as `RunError`. Out of memory it lets go of idle models, offloads and tiles the VAE before it
        gives up.
        """
        observer = observer or Silent()

        phases = _Phases(stage, observer, stop_asked)

        def go(stage: Stage, inputs: Inputs) -> StageResult:
            return self._attempt(stage, inputs, Watch(observer, phases.begin, stopped))

        def finish(done: StageResult, stage: Stage) -> StageResult:
            return self._finished(done, stage, observer)

        with description_scope(), phases.telling():
            try:
                return go(stage, inputs)
            except (RunError, ModelError) as error:
                if not is_memory_error(error):
                    raise
                return Relief(self.cache, observer, go, finish).run(stage, inputs, error)

    def run_together(
        self,
        stages: Sequence[Stage],
        observer: Observer,
        stopped: Callable[[], bool] = lambda: False,
        stop_asked: Callable[[], bool] = lambda: False,
    ) -> Iterator[StageResult]:
        """See `Engine.run_together`; in halves where one batch fails, at last one by one."""
        if len(stages) == 1:
            yield self.run(stages[0], _NOTHING, observer, stopped, stop_asked)
            return
        first = stages[0]
        phases = _Phases(first, observer, stop_asked)
        watch = Watch(observer, phases.begin, stopped)
        try:
            with phases.telling():
                weights = Weights(self._loaded(first, watch), self._decoder.vae_of)
                together = run_batch(stages, weights, watch)
                _check_files(weights.model.marks, first)
        except (RunError, ModelError, *_FOREIGN) as error:
            if isinstance(error, ModelError) and error.option != "batch_size":
                raise
            let_go(error)
            observer.note(f"{len(stages)} seeds do not run as one batch here ({error}); in halves", warning=True)
        else:
            yield from together
            return
        half = len(stages) // 2
        for part in (stages[:half], stages[half:]):
            for result in self.run_together(part, observer, stopped, stop_asked):
                yield result
            if result.stopped:
                return

    def _loaded(self, stage: Stage, watch: Watch, without: Collection[str] = ()) -> LoadedModel:
        """A stage's model, some of its parts left out; the observer is told what is read."""
        watch.before(Phase("loading", Reading(stage.model.name)))
        model = self.cache.load(stage.model, lambda reading: watch.before(Phase("loading", reading)), without)
        for note in unused_notes(model.facts):
            watch.observer.note(note, warning=True)
        return model

    def _attempt(self, stage: Stage, inputs: Inputs, watch: Watch) -> StageResult:
        prepared = prepare(stage, Given.of(inputs))
        if prepared.facts.lacking:
            prepared = prepare(stage, Given.of(inputs), whole(stage.model))
        model = self._loaded(stage, watch, EXPERTS if prepared.experts else ())
        used = set(model.marks)
        weights = Weights(model, self._decoder.vae_of, self._with(stage, watch.observer, used))
        run = StageRun(prepared, inputs, weights, watch)
        try:
            done = run.go()
            _check_files(used, stage)
            return done
        except JupyterLatentsError as error:
            if isinstance(error, RunError):
                error.partial = None if written_over(used) else run.partial()
            raise
        except BaseException as error:  # SystemExit of a converter too
            told = cause(error).replace("jupyter_latents.engine.tap.scheduler.WindowedScheduler", run.scheduler_name)
            message = f"{stage.model.name} failed while it ran: {told}"
            raise RunError(message, partial=None if written_over(used) else run.partial()) from error

    def _with(self, stage: Stage, observer: Observer, used: set[FileMark]) -> Callable[[tuple[str, ...]], LoadedModel]:
        """Loads a stage's model with those of its experts that are named, and notes what these are mapped to."""

        def load(experts: tuple[str, ...]) -> LoadedModel:
            others = tuple(name for name in EXPERTS if name not in experts)
            model = self.cache.load(stage.model, lambda reading: observer.phase(Phase("loading", reading)), others)
            used.update(model.marks)
            return model

        return load

    def _finished(self, done: StageResult, stage: Stage, observer: Observer) -> StageResult:
        """A result whose steps are all done, decoded."""
        observer.phase(Phase("decoding"))
        try:
            model = self.cache.load(stage.model)
            pictures = codec.decode(model.facts.space.seen(done.latents.tensor), model.vae_for_decoding)
            images = codec.to_pil(pictures, fps_of(done.latents.provenance))
            _check_files(model.marks, stage)
        except StoppedError:
            return replace(done, stopped=True)
        except JupyterLatentsError:
            raise
        except BaseException as error:
            message = f"{stage.model.name} failed while it decoded: {cause(error)}"
            raise RunError(message, partial=done) from error
        return replace(done, images=tuple(images), stopped=False)

    def decode(self, latents: Latents, receiver: ModelSource | None = None) -> list[Image | Clip]:
        """See `Engine.decode`."""
        return self._decoder.decode(latents, receiver)

    def preview(self, latents: Latents, tiny: str | None = None) -> list[Image | Clip]:
        """See `Engine.preview`; `tiny` is a tiny autoencoder that makes them, None for what the settings say."""
        return self._decoder.preview(latents, tiny)


def _check_files(marks: Collection[FileMark], stage: Stage) -> None:
    """Sees that the weights that a stage ran on are those that it was to run on.

    Raises:
        ModelError: They are mapped to a file that was written to meanwhile.
    """
    if name := written_over(marks):
        raise ModelError(
            f"{name} of {stage.model.name} was written to while the stage ran, so that what it made is of two models; "
            "it is not kept. Run it again."
        )


class _Phases:
    """Tells the observer the phases before the first step, where a stage may be stopped."""

    def __init__(self, stage: Stage, observer: Observer, stop_asked: Callable[[], bool]) -> None:
        self._stage, self._observer, self._stop_asked = stage, observer, stop_asked
        self._now = "beginning"

    def begin(self, phase: Phase) -> None:
        """A phase begins, unless the stage is to end."""
        self._now = phase.name
        self._observer.phase(phase)
        if self._stop_asked():
            raise StoppedError(self._now)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Says of a stop in which phase it came."""
        try:
            yield
        except StoppedError as stopped:
            text = f"{self._stage.model.name} was stopped while {self._now}; no step had run."
            raise StoppedError(text) from stopped
