"""A script at work: its invocations one after another, each stage's result bound and written before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_latents.engine import Given, Phase, Reading, StageResult
from jupyter_latents.errors import JupyterLatentsError, RunError, StoppedError
from jupyter_latents.session import outputs
from jupyter_latents.session.blame import blame, check_parts
from jupyter_latents.session.cells.shortened import as_script
from jupyter_latents.session.memory.identity import key_of
from jupyter_latents.session.memory.leads import Lead, leads_of
from jupyter_latents.session.memory.stand_ins import digest_inputs
from jupyter_latents.session.read_ahead import ReadAhead
from jupyter_latents.session.runs import Made, Run
from jupyter_latents.session.spreading import choices_of, spread
from jupyter_latents.session.story import Story
from jupyter_latents.session.veils import rewrite
from jupyter_latents.stage import Stage, label_of
from jupyter_latents.syntax import Evaluation, Invocation

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import Inputs, ModelCard, Observer
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.session.models import Models
    from jupyter_latents.session.names.resolve import Resolver
    from jupyter_latents.session.session import Session

__all__ = ["ScriptRun"]


@dataclass(slots=True)
class _Job:
    """One invocation while it runs: its stages as they run, as the script says them and for people, and what they made.

    `ready` is what a batch made of stages yet to come.
    """

    invocation: Invocation
    stages: tuple[Stage, ...] = ()
    script: tuple[Stage, ...] = ()
    told: tuple[Stage, ...] = ()
    ready: dict[int, StageResult] = field(default_factory=dict)
    made: list[StageResult] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def latents(self, *, several: bool) -> Made:
        """What it made: a labelled sequence where it has several stages."""
        from jupyter_latents.latents.sequence import LatentsSequence

        if several:
            choices = choices_of(self.told[: len(self.made)])
            labels = tuple(map(label_of, choices))
            return LatentsSequence(tuple(result.latents for result in self.made), labels, choices)
        return self.made[-1].latents


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
    """

    session: Session
    models: Models
    run: Run
    observer: Observer
    evaluation: Evaluation
    ahead: ReadAhead
    fetch: Callable[[str], Path]
    stages: list[Stage]

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
            told = tuple(rewrite(stage, self.evaluation.environment.hidden) for stage in script)
            job = _Job(invocation, stages, script, told)
            self._tell_stages(job.told)
            for stage in stages:
                if len(job.made) not in job.ready and (self.run.should_stop() or (job.made and job.made[-1].stopped)):
                    return
                self._run_one(job, stage, several=len(stages) > 1)
            if job.made[-1].stopped:
                return
            self.run.made.append(job.latents(several=len(stages) > 1))
            self.evaluation.finished(job.files or [result.latents for result in job.made])

    def _tell_stages(self, stages: Sequence[Stage]) -> None:
        """Tells the observer of stages that were not foreseen."""
        first = len(self.run.results)
        if first + len(stages) > len(self.stages):
            self.stages[first:] = stages
            self.observer.plan(tuple(self.stages))

    def _run_one(self, job: _Job, stage: Stage, *, several: bool) -> None:
        """Runs one stage of an invocation, binds its result and writes its files."""
        self.observer.stage(len(self.run.results), job.told[len(job.made)], stage.into or "")
        try:
            self.session.may_bind(stage)
            result = self._stage(job, stage)
            job.made.append(result)
            self.run.results.append(result)
            self._bind(stage.into, job, several=several)
            try:
                if not result.stopped:
                    written = self._written(stage, result, self.observer)
                    job.files.extend(written)
                    self.run.files.extend(written)
            finally:
                self.observer.result(result)
        except JupyterLatentsError as error:
            raise blame(job.invocation, error) from error.__cause__

    def _stage(self, job: _Job, stage: Stage) -> StageResult:
        check_parts(stage)
        outputs.check_writable(stage)
        resolver = replace(
            self.session.resolver(self.evaluation.environment), fetch=self.fetch, decode=self._picture_of
        )
        card = self._card(stage, resolver)
        inputs = resolver.inputs(stage, card)
        digested = digest_inputs(resolver, stage, card) if inputs.decoded else inputs
        go = partial(self._engine_run, job)
        self._run_together(job, stage, inputs, digested)
        key = key_of(stage, digested, self.models)
        result = self.session.memo.run(
            key, stage, inputs, go, partial(self.observer.note, warning=True), self._leads(stage, inputs, digested)
        )
        self._tell_saved(result)
        written = as_script(job.script[len(job.made)], self.evaluation.environment)
        self.session.origins.keep(written, stage, result, resolver.value)
        self.session.remember(result.latents)
        return self._decoded(result)

    def _leads(self, stage: Stage, inputs: Inputs, digested: Inputs) -> tuple[Lead, ...]:
        """What a stage whose prompts change may have in common with others."""
        if stage.prompt.weighter is None:
            return ()
        prompts = self.models.engine.prepare(stage, Given.of(inputs)).prompts
        return leads_of(stage, prompts, digested, self.models)

    def _picture_of(self, latents: Latents, stage: Stage, name: str) -> list[Image]:
        """Pictures of latents in the place of a picture, by the VAE that the engine chooses."""
        self.observer.phase(Phase("decoding", subject=name))
        return self.models.engine.decode(latents, stage.model)

    def _card(self, stage: Stage, resolver: Resolver) -> ModelCard:
        """The stage's model; one that is to be fetched is judged by its configuration before its weights are."""
        card = self.models.card(stage.model)
        if not card.lacking:
            return card
        course = self.models.engine.prepare(stage, resolver.given(stage, card))
        if course.verdict:
            self.observer.note(f"stage {len(self.run.results) + 1}, {stage.model.name}: {course.verdict}")
        self.observer.phase(Phase("loading", Reading(stage.model.name)))
        return self.models.fetch(stage.model)

    def _decoded(self, result: StageResult) -> StageResult:
        """A result with its pictures; one that was stopped while it decoded is kept without."""
        if result.images or result.stopped or not result.latents.is_clean:
            return result
        self.observer.phase(Phase("decoding"))
        try:
            return replace(result, images=tuple(self.models.engine.decode(result.latents)))
        except StoppedError:
            return replace(result, stopped=True)

    def _run_together(self, job: _Job, stage: Stage, inputs: Inputs, digested: Inputs) -> None:
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
            results = self.models.engine.run_together(batch, self.observer, stepped, stop_asked)
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

    def _told(self, job: _Job, result: StageResult) -> StageResult:
        """A result that says where it comes from in the words of the script."""
        at = len(job.made)
        story = Story(job.stages[at], job.script[at], job.told[at], self.evaluation.environment.hidden)
        return story.on(result)

    def _tell_saved(self, result: StageResult) -> None:
        if result.evaluations == 0:
            self.observer.note("kept from before: no model evaluation (--force runs it again)")
        elif result.saved:
            whole = result.evaluations + result.saved
            self.observer.note(
                f"{result.saved} of {whole} model evaluations kept from before (--force runs them again)"
            )

    def _engine_run(self, job: _Job, stage: Stage, inputs: Inputs) -> StageResult:
        if len(job.made) in job.ready:
            return self._told(job, job.ready[len(job.made)])
        try:
            observer, stepped = self.observer, self._stepped(stage)
            return self._told(job, self.models.engine.run(stage, inputs, observer, stepped, self.run.stop_asked))
        except RunError as error:
            if isinstance(error.partial, StageResult):
                error.partial = self._told(job, error.partial)
                self.session.remember(error.partial.latents)
                self.run.results.append(error.partial)
                job.made.append(error.partial)
                self._bind(stage.into, job, several=len(job.stages) > 1)
            raise

    def _bind(self, name: str | None, job: _Job, *, several: bool) -> None:
        if name:
            self.run.bound.append(name)
            self.session.bind(name, job.latents(several=several))

    def _written(self, stage: Stage, result: StageResult, observer: Observer) -> list[str]:
        if stage.output.path is None and stage.output.format is None:
            return []
        observer.phase(Phase("saving"))
        pictures = list(result.images) or self.models.engine.decode(result.latents)
        files = outputs.write(stage, result, pictures, partial(self.session.texts, result.latents), observer.note)
        self.session.origins.wrote(files, result.latents)
        return files
