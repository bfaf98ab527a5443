"""A script's stages and results in its own words, and what made each, which is remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine import Given, StageResult
from jupyter_latents.errors import RunError
from jupyter_latents.session.animations import Frames
from jupyter_latents.session.cells.shortened import as_script
from jupyter_latents.session.runs.job import Job
from jupyter_latents.session.runs.readiness import Resolved
from jupyter_latents.session.spreading import spread
from jupyter_latents.session.story import Story, ToldSteps
from jupyter_latents.stage import Reference, Stage
from jupyter_latents.syntax import Evaluation

if TYPE_CHECKING:
    from jupyter_latents.engine import Inputs, Observer, Span
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.session.models import Models
    from jupyter_latents.session.session import Session

__all__ = ["Telling"]


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told of the stages of a script.

    Attributes:
        session: Remembers what made results.
        models: Those of the run, and the engine that runs them.
        observer: Is told what happens.
        evaluation: The script.
        value: Finds the object behind a reference.
    """

    session: Session
    models: Models
    observer: Observer
    evaluation: Evaluation
    value: Callable[[Reference], Any]

    def script(self, stages: tuple[Stage, ...], frames: Frames) -> tuple[Stage, ...]:
        """The stages of the present invocation as the script says them: the environment's values are veiled."""
        veiled = self.evaluation.current
        asked = veiled.stages() if veiled is not None and veiled.opens is not None else ()
        return (spread(asked, self.session.names, frames.ranges) if asked else ()) or stages

    def result(self, job: Job, at: int, result: StageResult) -> StageResult:
        """A result that says where it comes from in the words of the script."""
        story = Story(job.stages[at], job.script[at], job.told[at], self.evaluation.environment.hidden)
        return story.on(result)

    def part(self, job: Job, at: int, latents: Latents, span: Span) -> StageResult:
        """What there is of a stage, in the words of the script."""
        return self.result(job, at, StageResult(latents, (), span, 0, stopped=True))

    def step(self, job: Job, at: int, given: tuple[Stage, Inputs], latents: Latents, span: Span) -> Latents:
        """A step of a stage that still runs, in the words of the script; its cell is that of the stage, ended there."""
        course = self.models.engine.prepare(given[0], Given.of(given[1]))
        told = self.part(job, at, latents, span)
        self.keep(job, at, replace(told, rule=course.rule, train_timesteps=course.train_timesteps))
        return told.latents

    def keep(self, job: Job, at: int, result: StageResult, *, whole: bool = False) -> None:
        """Remembers what made a result, or what there is of it: then nothing was done after the steps."""
        stage = job.script[at]
        written = as_script(stage if whole else stage.before_post, self.evaluation.environment)
        self.session.origins.keep(written, job.stages[at], result, self.value)

    def recalled(self, job: Job, at: int, resolved: Resolved, result: StageResult) -> StageResult:
        """A result of which steps were kept, as the present cell made it; tells what a run of all its steps tells."""
        course = self.models.engine.prepare(resolved.stage, Given.of(resolved.inputs))
        for note in course.notes:
            self.observer.note(note, warning=note in course.warnings)
        self._tell_saved(result)
        return self.result(job, at, result)

    def _tell_saved(self, result: StageResult) -> None:
        if result.evaluations == 0:
            self.observer.note("kept from before: no model evaluation (--force runs it again)")
        else:
            whole = result.evaluations + result.saved
            self.observer.note(
                f"{result.saved} of {whole} model evaluations kept from before (--force runs them again)"
            )

    def run(
        self,
        job: Job,
        at: int,
        given: tuple[Stage, Inputs],
        asked: tuple[Observer, Callable[[], bool], Callable[[], bool]],
    ) -> StageResult:
        """The result of a stage from the engine, told in the words of the script; what an error holds of it, too."""
        try:
            observer, stopped, stop_asked = asked
            steps = ToldSteps(observer, partial(self.step, job, at, given))
            return self.result(job, at, self.models.engine.run(*given, steps, stopped, stop_asked))
        except RunError as error:
            if isinstance(error.partial, StageResult):
                error.partial = self.result(job, at, error.partial)
            raise
