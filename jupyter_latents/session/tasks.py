"""A task of a session, a script to run: foreseen in a dry run, or foreseen and then run, in one evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from jupyter_latents.engine import Silent, scheduler_names
from jupyter_latents.errors import (
    HandoffError,
    JupyterLatentsError,
    ModelError,
    RunError,
    SettingError,
    StoppedError,
    cause,
)
from jupyter_latents.session.memory.answers import Answers
from jupyter_latents.session.models import Models
from jupyter_latents.session.notices import own_warnings
from jupyter_latents.session.outputs import writes
from jupyter_latents.session.plans.foresight import Foresight, counts
from jupyter_latents.session.plans.planning import Plan
from jupyter_latents.session.plans.veils import Hidden, stand_ins
from jupyter_latents.session.runs.read_ahead import ReadAhead
from jupyter_latents.session.runs.script_run import ScriptRun
from jupyter_latents.syntax import Environment, Evaluation, Script

if TYPE_CHECKING:
    from jupyter_latents.engine import Observer
    from jupyter_latents.session.runs.run import Run
    from jupyter_latents.session.session import Session

__all__ = ["Task", "Work"]

_RESULTS = ("into", "output_path")
"""Options that say where results go: what they name is as it is, whatever earlier stages make."""


def _as_it_is(_error: JupyterLatentsError) -> None:
    """Scripts are read by who wrote them."""


@dataclass(frozen=True, slots=True)
class Task:
    """A script to run.

    Attributes:
        script: The script, checked.
        arguments: Words put at the end of every invocation.
        force: Run stages again even where a kept result would answer.
        verbose: Tell all that libraries say, not only what matters, and that once.
        reword: Puts an error of the run into the words of who gave the script.
    """

    script: Script
    arguments: tuple[str, ...] = ()
    force: bool = False
    verbose: bool = False
    reword: Callable[[JupyterLatentsError], object] = field(default=_as_it_is, compare=False)


@dataclass(frozen=True, slots=True)
class Work:
    """A task, being planned or run.

    Attributes:
        session: Holds the engine, the names and what is remembered.
        task: The task.
    """

    session: Session
    task: Task

    def plan(self, check: Callable[[], None]) -> Plan:
        """See `Session.plan`.

        Args:
            check: Called for each line and stage; it raises to stop.
        """
        session, force = self.session, self.task.force
        environment = session.environment(self.task, Silent(), check)
        environment.foreseeing, environment.random_seed = True, stand_ins()
        evaluation, models = self._evaluation(environment), Models(session.engine)
        own: list[str] = []
        try:
            with own_warnings(own.append), session.engine.scope(lambda _text, _matters: None):
                plan = self._foresight(evaluation, models, Answers(session.memo, models, force=force)).plan()
        finally:
            evaluation.close()
        return replace(plan, printed=(*plan.printed, *own))

    def run(self, run: Run, observer: Observer) -> None:
        """Foresees the script and runs it.

        Args:
            run: Takes the results and says when to stop.
            observer: Is told what happens.

        Raises:
            JupyterLatentsError: A stage cannot run; what was made before it is bound.
        """
        notices = self.session.notices

        def tell(text: str, matters: bool) -> None:
            if self.task.verbose or (matters and text not in notices):
                notices.add(text)
                observer.note(text, warning=matters)

        try:
            self.session.load_engine(observer.phase)
        except StoppedError as stopped:
            observer.note(stopped.message)
            return
        with own_warnings(partial(observer.note, warning=True)), self.session.engine.scope(tell):
            self._run(run, observer)

    def _run(self, run: Run, observer: Observer) -> None:
        def check() -> None:
            if run.stop_asked():
                raise StoppedError("the script was stopped.")

        environment = self.session.environment(self.task, observer, check)
        evaluation = self._evaluation(environment)
        try:
            self._stages(run, Hidden(observer, environment.hidden), evaluation)
        except StoppedError as stopped:
            if not run.flag.asked:
                raise
            Hidden(observer, environment.hidden).note(stopped.message)
        except JupyterLatentsError as error:
            error.rewritten(partial(environment.hidden, keys=True))
            self.task.reword(environment.explain(error))
            raise
        except BaseException as error:  # a KeyboardInterrupt may quote a value, too
            text = environment.hidden(cause(error), keys=True)
            failure = RunError(f"the run failed unexpectedly: {text}")
            if text != cause(error):  # a traceback would show it
                raise failure from None
            raise failure from error
        finally:
            evaluation.close()

    def _stages(self, run: Run, observer: Observer, evaluation: Evaluation) -> None:
        session, models = self.session, Models(self.session.engine)
        plan = self._foresee(evaluation, models, observer)
        ahead = ReadAhead(session.engine, [stage.model for stage in plan.stages], run.flag)
        stages = [stage.stage for stage in plan.stages]
        try:
            at_work = ScriptRun(session, models, run, observer, evaluation, ahead, session.addresses.run(), stages)
            at_work.script(force=self.task.force)
        finally:
            ahead.end()

    def _evaluation(self, environment: Environment) -> Evaluation:
        count = counts(self.session.names, self.session.addresses.file)
        return Evaluation(self.task.script, environment, scheduler_names(), count)

    def _foresight(self, evaluation: Evaluation, models: Models, kept: Answers | None = None) -> Foresight:
        resolver = replace(self.session.resolver(evaluation.environment), fetch=self.session.addresses.file)
        guard = partial(self.session.may_bind, force=self.task.force)
        return Foresight(evaluation, resolver, models, kept, guard)

    def _foresee(self, evaluation: Evaluation, models: Models, observer: Observer) -> Plan:
        """Tells the stages of a script that is about to run, and how each takes over the latents it is given.

        Returns:
            The stages, as far as they can be told before they run.

        Raises:
            JupyterLatentsError: One of them can never run, so that none begins: its model or input is not there, its
                model does not do this, the latents handed to it cannot enter it, a setting or prompt of it is wrong,
                or its result may not be bound or written.
        """
        plan = self._foresight(evaluation, models).plan()
        written = False
        for stage in plan.stages:
            if stage.error is not None and (not written or _forbids(stage.error)):
                raise stage.error
            written = written or writes(stage.stage)  # a file that is not there may be one that this stage writes
        observer.plan([stage.stage for stage in plan.stages])
        for number, stage in enumerate(plan.stages, 1):
            if stage.verdict:
                observer.note(f"stage {number}, {stage.stage.model.name}: {stage.verdict}")
        return plan


def _forbids(error: JupyterLatentsError) -> bool:
    """Whether an error of one stage keeps the whole script from running, whatever earlier stages write."""
    return isinstance(error, (ModelError, HandoffError, SettingError)) or error.option in _RESULTS
