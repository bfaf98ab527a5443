"""A script at work: its invocations one after another, each stage's result bound and written before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine import Given, Phase, StageResult, wide
from jupyter_latents.errors import JupyterLatentsError, RunError
from jupyter_latents.paths import here
from jupyter_latents.session.animations import check_animated, frames_asked
from jupyter_latents.session.blame import blame, check_parts
from jupyter_latents.session.memory.identity import key_of
from jupyter_latents.session.outputs import check_writable, folder_of, write_outputs
from jupyter_latents.session.plans.veils import expand_names, rewrite
from jupyter_latents.session.runs.afterwards import decoded, finished, with_pictures
from jupyter_latents.session.runs.ending import bind_ending
from jupyter_latents.session.runs.film_writer import FilmWriter
from jupyter_latents.session.runs.job import Job
from jupyter_latents.session.runs.read_ahead import ReadAhead
from jupyter_latents.session.runs.readiness import Readiness, Resolved
from jupyter_latents.session.runs.run import Run
from jupyter_latents.session.runs.side_by_side import SideBySide, names_itself
from jupyter_latents.session.runs.telling import Telling
from jupyter_latents.session.spreading import spread, spread_from
from jupyter_latents.session.story import ToldSteps
from jupyter_latents.session.together import alike, together, together_note
from jupyter_latents.stage import Reference, Stage
from jupyter_latents.syntax import Evaluation

if TYPE_CHECKING:
    from jupyter_latents.engine import Inputs, Observer
    from jupyter_latents.session.models import Models
    from jupyter_latents.session.session import Session

__all__ = ["ScriptRun"]


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """A script being run.

    Attributes:
        session: Holds the names and what is remembered.
        models: Those of the run, and the engine that runs them.
        run: Takes the results and says when to stop.
        observer: Is told what happens.
        evaluation: The script, evaluated as far as it was foreseen.
        ahead: Reads the models of later stages.
        fetch: Fetches what image seeds name by address.
        stages: Those that the observer was told of; grows where the script is evaluated further.
        place: The folder that paths are taken from, however a kernel changes its own meanwhile.
        refined: The second stages of several refined pairs so far.
        warned: What was told once.
    """

    session: Session
    models: Models
    run: Run
    observer: Observer
    evaluation: Evaluation
    ahead: ReadAhead
    fetch: Callable[[str], Path]
    stages: list[Stage]
    place: Path = field(default_factory=here)
    refined: list[Job] = field(default_factory=list)
    warned: dict[str, object] = field(default_factory=dict)

    def script(self, *, force: bool = False) -> None:
        """Runs the script to its end, or until the run is stopped.

        Args:
            force: Run stages again even where a kept result would answer.

        Raises:
            JupyterLatentsError: A stage cannot run; what was made before it is bound.
        """
        films = FilmWriter(self.session, self.models.engine, self.run, self.observer)
        for invocation in self.evaluation:
            asked = tuple(replace(stage, force=stage.force or force) for stage in invocation.stages())
            frames = frames_asked(invocation, self.fetch)
            stages = spread(asked, self.session.names, frames.ranges)
            again = self.evaluation.environment.values.veiled_again  # an option may have needed a value itself
            script = tuple(rewrite(stage, again) for stage in self._telling.script(stages, frames))
            for stage in stages:
                expand_names(stage, self.evaluation.environment)
            told = tuple(rewrite(stage, self.evaluation.environment.hidden) for stage in script)
            for stage, shown in zip(stages, told, strict=True):
                self.session.model_names.remember(stage.model.name, shown.model.name)
            numbers = spread_from(asked, self.session.names, frames.ranges)
            job = Job(invocation, numbers, stages, script, told, fps=frames.fps or films.fps(stages))
            job.earlier = self._earlier(job)
            self._tell_stages(job.told)
            job.beside = self._begin_beside(job)
            try:
                self._run_all(job)
            finally:
                if job.beside is not None:
                    job.beside.end()
            if not job.is_whole:
                return
            films.write(job, self._placed)
            self.run.made.append(job.latents(several=len(stages) > 1))
            self.evaluation.finished(job.files or [result.latents for result in job.made])
        bind_ending(self.session, self.run, self.evaluation, self.observer)

    def _placed(self, stage: Stage) -> Stage:
        """A stage that writes into the folder that its script was in at first."""
        if here() == self.place:
            return stage
        return replace(stage, output=replace(stage.output, path=str(self.place / folder_of(stage))))

    def _earlier(self, job: Job) -> tuple[Job, ...]:
        """The second stages of refined pairs before this one, which is kept among them."""
        sweep = job.told[0].sweep
        if not job.refines or sweep is None:
            return ()
        self.refined[sweep.pair :] = [job]
        return tuple(self.refined[:-1])

    def _run_all(self, job: Job) -> None:
        """Runs the stages of an invocation in order, until one of them is stopped; those that have begun are taken."""
        for stage in job.stages:
            begun = job.has_begun(len(job.made))
            if not begun and (self.run.should_stop() or (job.made and job.made[-1].stopped)):
                return
            self._run_one(job, stage)

    def _tell_stages(self, stages: Sequence[Stage]) -> None:
        """Tells the observer of stages that were not foreseen."""
        first = len(self.run.results)
        if first + len(stages) > len(self.stages):
            self.stages[first:] = stages
            self.observer.plan(tuple(self.stages))

    def _run_one(self, job: Job, stage: Stage) -> None:
        """Runs one stage of an invocation, binds its result and writes its files."""
        number = job.numbers[len(job.made)]
        self.observer.stage(len(self.run.results), job.told[len(job.made)], stage.into or "")
        try:
            self.session.may_bind(stage)
            if job.invocation.first("animation_format"):
                check_animated(job.invocation, self.models.card(stage.model))
            result = self._stage(job, stage)
            job.made.append(result)
            self.run.results.append(result)
            self._bind(stage.into, job)
            self.session.results.add(result, job.name_of_last)
            try:
                if not result.stopped and not job.films_alone:
                    written = self._written(stage, result, self.observer)
                    job.files.extend(written)
                    self.run.files.extend(written)
            finally:
                self.observer.result(result)
        except JupyterLatentsError as error:
            raise blame(job.invocation, error, number) from error.__cause__

    def _stage(self, job: Job, stage: Stage) -> StageResult:
        check_parts(stage)
        check_writable(stage)
        ready, at = self._readiness(), len(job.made)
        if job.beside is not None and at in job.beside:
            resolved, result = job.beside.resolved(at), self._taken(job.beside, job, stage)
        else:
            resolved, result = self._alone(job, stage, ready)
        if result.saved:
            result = self._telling.recalled(job, at, resolved, result)
        result = finished(resolved, decoded(result, self.models.engine, self.observer))
        self._telling.keep(job, at, result, whole=not result.stopped)
        self.session.remember(result.latents)
        return result

    @property
    def _telling(self) -> Telling:
        """Says results in the words of the script."""
        return Telling(self.session, self.models, self.observer, self.evaluation, self._value)

    def _value(self, reference: Reference) -> Any:
        return self._readiness().resolver.value(reference)

    def _readiness(self) -> Readiness:
        """Looks up what goes into the next stage."""
        names = self.session.resolver(self.evaluation.environment)
        return Readiness(self.models, self.observer, names, self.fetch, len(self.run.results) + 1)

    def _taken(self, beside: SideBySide, job: Job, stage: Stage) -> StageResult:
        """The result of a stage that began before its turn."""
        try:
            return beside.take(len(job.made))
        except RunError as error:
            self._bind_part(job, stage, error)
            raise

    def _alone(self, job: Job, stage: Stage, ready: Readiness) -> tuple[Resolved, StageResult]:
        """A stage with what it is given, and its result, in its turn."""
        at = len(job.made)
        inputs, digested = ready.inputs(stage)
        self._run_together(job, stage, inputs, digested)
        resolved = ready.resolved(stage, inputs, digested)

        def go(stage: Stage, inputs: Inputs) -> StageResult:
            if at in job.ready:
                return self._telling.result(job, at, job.ready[at])
            asked = (self.observer, self._stepped(stage), self.run.stop_asked)
            try:
                return self._telling.run(job, at, (stage, inputs), asked)
            except RunError as error:
                self._bind_part(job, stage, error)
                raise

        return resolved, self._remembered(resolved, go)

    def _remembered(self, resolved: Resolved, go: Callable[[Stage, Inputs], StageResult]) -> StageResult:
        return self.session.memo.run(resolved.key, resolved.stage, resolved.inputs, go, self._warn, resolved.leads)

    def _warn(self, text: str) -> None:
        """Tells what may hold for many stages, once; stages on several workers tell it at the same time."""
        token = object()
        if self.warned.setdefault(text, token) is token:
            self.observer.note(text, warning=True)

    def _begin_beside(self, job: Job) -> SideBySide | None:
        """Begins all stages of an invocation where the engine runs several at the same time."""
        engine = wide(self.models.engine)
        batched = any(stage.batch_seeds for stage in job.stages)
        if engine is None or len(job.stages) < 2 or batched or names_itself(job.stages):
            return None
        several: dict[int, Resolved] = {}
        for place, stage in enumerate(job.stages):
            try:
                ready = self._readiness()
                several[place] = ready.resolved(stage, *ready.inputs(stage))
            except JupyterLatentsError:
                continue  # in its turn it meets the same again, which is told with its place
        beside = SideBySide(engine, self.run, self.observer, len(self.run.results), job.names)

        def go_one(place: int, resolved: Resolved, observer: Observer) -> StageResult:
            asked = (observer, beside.should_stop, beside.stop_asked)
            return self._remembered(resolved, lambda *given: self._telling.run(job, place, given, asked))

        beside.begin(several, go_one)
        return beside

    def _run_together(self, job: Job, stage: Stage, inputs: Inputs, digested: Inputs) -> None:
        """Runs a stage and those behind it that differ in the seed alone as one batch, where the script asks for it."""
        first = len(job.made)
        near = alike(job.stages, first)
        if first in job.ready or len(near) < 2 or not self._shares(stage, inputs):
            return
        memo = self.session.memo
        keys = {number: key_of(job.stages[number], digested, self.models) for number in near}

        def fresh(number: int) -> bool:
            other, key = job.stages[number], keys[number]
            if memo.foresee(key, other) is not None:
                return False
            return not key or other.force or key not in [keys[one] for one in near if one < number]

        if found := together(near, fresh):
            self.observer.note(together_note(len(found)))
            stepped, stop_asked = self._stepped(stage, len(near) - 1), self.run.stop_asked
            batch = [job.stages[number] for number in found]
            telling = self._telling
            steps = ToldSteps(self.observer, lambda latents, span: telling.part(job, first, latents, span).latents)
            results = self.models.engine.run_together(batch, steps, stepped, stop_asked)
            try:
                for number, result in zip(found, results, strict=False):
                    job.ready[number] = result
            except JupyterLatentsError:
                if first not in job.ready:
                    raise
                return  # what is done is bound first; then the stage that failed meets it again, and tells it

    def _shares(self, stage: Stage, inputs: Inputs) -> bool:
        return self.models.engine.prepare(stage, Given.of(inputs)).shares

    def _stepped(self, stage: Stage, more: int = 0) -> Callable[[], bool]:
        """Asked after each step of a stage, and of so many more with it: whether to stop.

        The next stage's model may be read from then on.
        """
        index = len(self.run.results) + more

        def stepped() -> bool:
            self.ahead.stepped(index, stage.model)
            return self.run.should_stop()

        return stepped

    def _bind_part(self, job: Job, stage: Stage, error: RunError) -> None:
        """Binds what a stage had made when it failed."""
        if isinstance(error.partial, StageResult):
            self.session.remember(error.partial.latents)
            self.run.results.append(error.partial)
            job.made.append(error.partial)
            self._bind(stage.into, job)
            self.session.results.add(error.partial, job.name_of_last)

    def _bind(self, name: str | None, job: Job) -> None:
        if name:
            self.run.bound.append(name)
            self.session.bind(name, job.bound)

    def _written(self, stage: Stage, result: StageResult, observer: Observer) -> list[str]:
        if stage.output.path is None and stage.output.format is None:
            return []
        observer.phase(Phase("saving"))
        stage = self._placed(stage)
        result = with_pictures(stage, result, self.models.engine)
        texts, cell = partial(self.session.texts, result.latents), partial(self.session.cell, result.latents)
        files = write_outputs(stage, result, texts, observer.note, cell, self.run.files)
        self.session.origins.wrote(files, result.latents)
        return files
