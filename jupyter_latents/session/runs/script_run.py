"""A script at work: its invocations one after another, each stage's result bound and written before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_latents.engine import Given, Phase, StageResult, wide
from jupyter_latents.errors import JupyterLatentsError, RunError, StoppedError
from jupyter_latents.paths import here
from jupyter_latents.session import outputs
from jupyter_latents.session.blame import blame, check_parts
from jupyter_latents.session.cells.shortened import as_script
from jupyter_latents.session.memory.identity import key_of
from jupyter_latents.session.plans.veils import expand_names, rewrite
from jupyter_latents.session.runs.afterwards import finished, post_processed
from jupyter_latents.session.runs.ending import bind_ending
from jupyter_latents.session.runs.job import Job
from jupyter_latents.session.runs.read_ahead import ReadAhead
from jupyter_latents.session.runs.readiness import Readiness, Resolved
from jupyter_latents.session.runs.run import Run
from jupyter_latents.session.runs.side_by_side import SideBySide, names_itself
from jupyter_latents.session.spreading import spread, spread_from
from jupyter_latents.session.story import Story, ToldSteps
from jupyter_latents.stage import Stage
from jupyter_latents.syntax import Evaluation

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import Inputs, Observer, Span
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.value import Latents
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

    def script(self, *, force: bool = False) -> None:
        """Runs the script to its end, or until the run is stopped.

        Args:
            force: Run stages again even where a kept result would answer.

        Raises:
            JupyterLatentsError: A stage cannot run; what was made before it is bound.
        """
        for invocation in self.evaluation:
            asked = tuple(replace(stage, force=stage.force or force) for stage in invocation.stages())
            stages = spread(asked, self.session.names)
            again = self.evaluation.environment.values.veiled_again  # an option may have needed a value itself
            script = tuple(rewrite(stage, again) for stage in self._script(stages))
            for stage in stages:
                expand_names(stage, self.evaluation.environment)
            told = tuple(rewrite(stage, self.evaluation.environment.hidden) for stage in script)
            for stage, shown in zip(stages, told, strict=True):
                self.session.model_names.remember(stage.model.name, shown.model.name)
            job = Job(invocation, spread_from(asked, self.session.names), stages, script, told)
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
            self.run.made.append(job.latents(several=len(stages) > 1))
            self.evaluation.finished(job.files or [result.latents for result in job.made])
        bind_ending(self.session, self.run, self.evaluation, self.observer)

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
            result = self._stage(job, stage)
            job.made.append(result)
            self.run.results.append(result)
            self._bind(stage.into, job)
            self.session.results.add(result, job.name_of_last)
            try:
                if not result.stopped:
                    written = self._written(stage, result, self.observer)
                    job.files.extend(written)
                    self.run.files.extend(written)
            finally:
                self.observer.result(result)
        except JupyterLatentsError as error:
            raise blame(job.invocation, error, number) from error.__cause__

    def _stage(self, job: Job, stage: Stage) -> StageResult:
        check_parts(stage)
        outputs.check_writable(stage)
        ready, at = self._readiness(), len(job.made)
        if job.beside is not None and at in job.beside:
            resolved, result = job.beside.resolved(at), self._taken(job.beside, job, stage)
        else:
            resolved, result = self._alone(job, stage, ready)
        if result.saved:
            result = self._recalled(job, at, resolved, result)
        result = finished(resolved, self._decoded(result))
        self._keep_origin(job, at, result, whole=not result.stopped)
        self.session.remember(result.latents)
        return result

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
                return self._told(job, at, job.ready[at])
            asked = (self.observer, self._stepped(stage), self.run.stop_asked)
            try:
                return self._engine_run(job, at, (stage, inputs), asked)
            except RunError as error:
                self._bind_part(job, stage, error)
                raise

        return resolved, self._remembered(resolved, go)

    def _remembered(self, resolved: Resolved, go: Callable[[Stage, Inputs], StageResult]) -> StageResult:
        tell = partial(self.observer.note, warning=True)
        return self.session.memo.run(resolved.key, resolved.stage, resolved.inputs, go, tell, resolved.leads)

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
            return self._remembered(resolved, lambda *given: self._engine_run(job, place, given, asked))

        beside.begin(several, go_one)
        return beside

    def _decoded(self, result: StageResult) -> StageResult:
        """A result with its pictures; one that was stopped while it decoded is kept without."""
        if result.images or result.stopped or not result.latents.is_clean:
            return result
        self.observer.phase(Phase("decoding"))
        try:
            return replace(result, images=tuple(self.models.engine.decode(result.latents)))
        except StoppedError:
            return replace(result, stopped=True)

    def _run_together(self, job: Job, stage: Stage, inputs: Inputs, digested: Inputs) -> None:
        """Runs a stage and those behind it that differ in the seed alone as one batch, where the script asks for it."""
        first = len(job.made)
        if first in job.ready or not stage.batch_seeds or not self._shares(stage, inputs):
            return
        alike = list(takewhile(lambda other: replace(other, seed=stage.seed) == stage, job.stages[first:]))
        memo = self.session.memo
        keys = [key_of(other, digested, self.models) for other in alike]
        fresh = [
            first + number
            for number, (key, other) in enumerate(zip(keys, alike, strict=True))
            if memo.foresee(key, other) is None and (not key or other.force or key not in keys[:number])
        ]
        if first in fresh and len(fresh) > 1:
            self.observer.note(f"{len(fresh)} seeds run as one batch: their last bits may differ from single runs")
            stepped, stop_asked = self._stepped(stage, len(alike) - 1), self.run.stop_asked
            batch = [job.stages[number] for number in fresh]
            steps = ToldSteps(self.observer, lambda latents, span: self._told_part(job, first, latents, span).latents)
            results = self.models.engine.run_together(batch, steps, stepped, stop_asked)
            try:
                for number, result in zip(fresh, results, strict=False):
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

    def _script(self, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        """The stages of the present invocation as the script says them: the environment's values are veiled."""
        veiled = self.evaluation.current
        asked = veiled.stages() if veiled is not None and veiled.opens is not None else ()
        return spread(asked, self.session.names) or stages

    def _told(self, job: Job, at: int, result: StageResult) -> StageResult:
        """A result that says where it comes from in the words of the script."""
        story = Story(job.stages[at], job.script[at], job.told[at], self.evaluation.environment.hidden)
        return story.on(result)

    def _told_step(self, job: Job, at: int, given: tuple[Stage, Inputs], latents: Latents, span: Span) -> Latents:
        """A step of a stage that still runs, in the words of the script; its cell is that of the stage, ended there."""
        course = self.models.engine.prepare(given[0], Given.of(given[1]))
        told = self._told_part(job, at, latents, span)
        self._keep_origin(job, at, replace(told, rule=course.rule, train_timesteps=course.train_timesteps))
        return told.latents

    def _told_part(self, job: Job, at: int, latents: Latents, span: Span) -> StageResult:
        """What there is of a stage, in the words of the script."""
        return self._told(job, at, StageResult(latents, (), span, 0, stopped=True))

    def _keep_origin(self, job: Job, at: int, result: StageResult, *, whole: bool = False) -> None:
        """Remembers what made a result, or what there is of it: then nothing was done after the steps."""
        stage = job.script[at]
        written = as_script(stage if whole else stage.before_post, self.evaluation.environment)
        self.session.origins.keep(written, job.stages[at], result, self._readiness().resolver.value)

    def _recalled(self, job: Job, at: int, resolved: Resolved, result: StageResult) -> StageResult:
        """A result of which steps were kept, as the present cell made it; tells what a run of all its steps tells."""
        course = self.models.engine.prepare(resolved.stage, Given.of(resolved.inputs))
        for note in course.notes:
            self.observer.note(note, warning=note in course.warnings)
        self._tell_saved(result)
        return self._told(job, at, result)

    def _tell_saved(self, result: StageResult) -> None:
        if result.evaluations == 0:
            self.observer.note("kept from before: no model evaluation (--force runs it again)")
        else:
            whole = result.evaluations + result.saved
            self.observer.note(
                f"{result.saved} of {whole} model evaluations kept from before (--force runs them again)"
            )

    def _engine_run(
        self,
        job: Job,
        at: int,
        given: tuple[Stage, Inputs],
        asked: tuple[Observer, Callable[[], bool], Callable[[], bool]],
    ) -> StageResult:
        """The result of a stage from the engine, told in the words of the script; what an error holds of it, too."""
        try:
            observer, stopped, stop_asked = asked
            steps = ToldSteps(observer, partial(self._told_step, job, at, given))
            return self._told(job, at, self.models.engine.run(*given, steps, stopped, stop_asked))
        except RunError as error:
            if isinstance(error.partial, StageResult):
                error.partial = self._told(job, at, error.partial)
            raise

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

    def _pictures(self, stage: Stage, result: StageResult) -> list[Image | Clip]:
        """The pictures of a result that has none yet, where files of pictures are asked for."""
        if outputs.writes_latents(stage):
            return []
        return post_processed(stage, self.models.engine.decode(result.latents))

    def _written(self, stage: Stage, result: StageResult, observer: Observer) -> list[str]:
        if stage.output.path is None and stage.output.format is None:
            return []
        observer.phase(Phase("saving"))
        if here() != self.place:
            stage = replace(stage, output=replace(stage.output, path=str(self.place / outputs.folder_of(stage))))
        result = result if result.images else replace(result, images=tuple(self._pictures(stage, result)))
        texts, cell = partial(self.session.texts, result.latents), partial(self.session.cell, result.latents)
        files = outputs.write(stage, result, texts, observer.note, cell, self.run.files)
        self.session.origins.wrote(files, result.latents)
        return files
