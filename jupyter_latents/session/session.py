"""The session of a kernel: its engine, its names, what it knows of latents; runs scripts on an executor."""

from __future__ import annotations

import copy
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_latents import machine
from jupyter_latents.engine import scheduler_names
from jupyter_latents.errors import JupyterLatentsError, LatentsError, NameNotFoundError, ScriptError
from jupyter_latents.session.cells.onward import onward
from jupyter_latents.session.cells.origins import Origins
from jupyter_latents.session.cells.sources import FromStage
from jupyter_latents.session.cells.writing import cell_of, texts_of, texts_of_sheet
from jupyter_latents.session.memory.facts_memory import FactsMemory
from jupyter_latents.session.memory.memo import Memo
from jupyter_latents.session.names.addresses import Addresses, download
from jupyter_latents.session.names.bindings import check_free, drop, latents_named
from jupyter_latents.session.names.model_names import ModelNames
from jupyter_latents.session.names.numbers import numbers
from jupyter_latents.session.names.resolve import Resolver
from jupyter_latents.session.names.sizes import file_size
from jupyter_latents.session.picture_work import process_pictures
from jupyter_latents.session.place import EnginePlace
from jupyter_latents.session.plans.planning import Plan
from jupyter_latents.session.plans.verdict import verdict
from jupyter_latents.session.process import PROCESS
from jupyter_latents.session.results import PastResult, PastResults
from jupyter_latents.session.runs.run import Run
from jupyter_latents.session.runs.steps import OnStep, Watching
from jupyter_latents.session.tasks import Task, Work
from jupyter_latents.settings import SETTINGS, Settings
from jupyter_latents.stage import Stage
from jupyter_latents.syntax import Environment, Script
from jupyter_latents.syntax.names import python_name
from jupyter_latents.syntax.options.names import unbindable
from jupyter_latents.wording import readable

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import Engine, Observer, PartRow, Phase, WorkerRow
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.sequence import LatentsSequence
    from jupyter_latents.latents.value import Latents

__all__ = ["Session", "Task"]


class Session:
    """What a kernel keeps between cells.

    All sessions of a process share one engine with its models, and one queue of runs. Names and results are its own.

    Attributes:
        names: The kernel's variables.
        executor: Runs what is submitted, after what other sessions on the same engine submitted before.
        settings: Sizes and budgets.
        memo: PastResults of stages, so that none is run twice.
        addresses: Files that runs fetched.
        notices: What libraries said and was told; it is told once.
        origins: What made each result.
        results: The results, newest first.

    Args:
        names: Where results are bound and variables looked up: the kernel's namespace.
        settings: Sizes and budgets; None for those of the process, which ``%config`` sets. The smallest budget for
            models holds for all sessions that share them.
        engine: Runs the stages; None for that of this process, which loads torch when it is first asked.
    """

    def __init__(
        self,
        names: MutableMapping[str, Any] | None = None,
        settings: Settings | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.names: MutableMapping[str, Any] = names if names is not None else {}
        self.settings = settings if settings is not None else SETTINGS
        self.executor = PROCESS.queue_of(engine)
        self.memo = Memo(self.settings)
        self.addresses = Addresses()
        self.notices: set[str] = set()
        self._place = EnginePlace(PROCESS, self.settings, engine)
        self._bound: set[str] = set()
        self._facts = FactsMemory()
        self.origins = Origins(self._facts.find)
        self.results = PastResults(self.origins.of)

    @property
    def engine(self) -> Engine:
        """The engine; that of this process, which all sessions share, is made when first asked for (it loads torch)."""
        return self._place.engine

    @property
    def place(self) -> str:
        """Where its stages run: ``local``, ``ray`` or the address of a cluster's head."""
        return self._place.name

    def run_on(self, executor: str) -> str:
        """Runs stages there from now on.

        Args:
            executor: ``local``, ``ray`` for workers on this machine, or the ``host:port`` of a Ray cluster's head.

        Returns:
            Where that is, in words.

        Raises:
            SettingError: It is none of these, or the session was given an engine of its own.
        """
        self._place = self._place.at(executor)
        return "stages run in this process" if executor == "local" else f"stages run on workers ({executor})"

    def on(self, executor: str) -> Session:
        """This session with its stages run elsewhere; see `run_on`."""
        other = copy.copy(self)
        other._place = self._place.at(executor)  # noqa: SLF001 - of the same class
        return other

    def workers(self) -> list[WorkerRow]:
        """What each worker does now; none where stages run in this process."""
        return self._place.workers()

    def load_engine(self, tell: Callable[[Phase], None]) -> None:
        """Imports what the engine needs, and starts workers, where this is to be done yet; see `EnginePlace.load`."""
        self._place.load(tell)

    @property
    def imports(self) -> bool:
        """Whether its next run has libraries to import, or one that goes on is importing them."""
        return self._place.imports

    def check(self, script: Script) -> None:
        """Finds what can be found wrong in a script before anything runs.

        Raises:
            ScriptError: Something is wrong, and where.
        """
        script.check(schedulers=scheduler_names())

    def among(self, names: MutableMapping[str, Any], bound: set[str] | None = None) -> Session:
        """This session with other names; what it remembers, its models and its queue are the same.

        Args:
            names: Where results are bound and variables looked up.
            bound: Which of these scripts may bind again where they hold latents; None for those that it bound itself.
        """
        other = copy.copy(self)
        other.names = names
        other._bound = self._bound if bound is None else bound  # noqa: SLF001 - of the same class
        return other

    def start(self, task: Task, observer: Observer, on_step: OnStep | None = None) -> Run:
        """Runs a script in a thread of its own.

        Args:
            task: The script.
            observer: Is told what happens, from that thread.
            on_step: Called after each step, from that thread; what it raises ends the run at that step.

        Returns:
            The run, perhaps queued behind an earlier one.
        """

        def work(run: Run) -> None:
            watching = Watching(observer, run.log, on_step, run.fail)
            try:
                Work(self, task).run(run, watching)
            finally:
                watching.end(run.results)

        run = self.executor.submit(work, lambda run: observer.note(run.left))
        run.title = task.script.title
        return run

    def plan(self, task: Task, check: Callable[[], None] = lambda: None) -> Plan:
        """What a script would do, without loading weights, asking the network or running anything.

        Args:
            task: The script.
            check: Called for each line and stage; it raises to stop.
        """
        return Work(self, task).plan(check)

    def decode(self, latents: Latents) -> list[Image | Clip]:
        """Pictures or clips of latents by their own VAE.

        Raises:
            ModelError: It is not at hand.
        """
        return self.engine.decode(latents)

    def preview(self, latents: Latents) -> list[Image | Clip]:
        """Small pictures of latents, without running the VAE.

        Raises:
            ModelError: The model is not at hand.
        """
        return self.engine.preview(latents)

    def texts(self, latents: Latents, item: int = 0) -> dict[str, str]:
        """What a picture of latents says of how they were made, text by key; the setting `metadata` says how much.

        Args:
            latents: The latents.
            item: Which of the batch it is a picture of.
        """
        return texts_of(latents, self.origins.of(latents), self.settings.metadata, item)

    def texts_of_sheet(self, several: Sequence[Latents]) -> dict[str, str]:
        """What a sheet of several pictures says of how they were made, text by key; see `texts`.

        Args:
            several: The latents, at least one.
        """
        return texts_of_sheet(several, list(map(self.origins.of, several)), self.settings.metadata)

    def cell(self, *several: Latents) -> str:
        """The cell that makes latents, from the first stage that led to them on; empty where nobody knows it.

        Args:
            several: The latents; those of one sweep are one invocation.
        """
        return cell_of(list(map(self.origins.of, several)))

    def cell_of_result(self, one: PastResult) -> str:
        """The cell that makes a result again, though its latents be gone; see `cell`.

        Args:
            one: The result.
        """
        return cell_of([one.source])

    def cell_onward(self, one: PastResult, name: str = "") -> str:
        """The cell that goes on from a result; empty where nobody knows what made it.

        Args:
            one: The result.
            name: The variable that holds it; empty to have the cell make it first.
        """
        source = one.source
        return cell_of([onward(source, name, clean=not one.noise)]) if isinstance(source, FromStage) else ""

    def bind_result(self, name: str, one: PastResult) -> str:
        """Binds the latents of an earlier result to a name.

        Args:
            name: The variable.
            one: The result.

        Returns:
            The variable's name.

        Raises:
            LatentsError: Nobody holds the latents any more.
            NameNotFoundError: The name is no identifier.
            ScriptError: It holds something that no script made.
        """
        latents = one.latents or self._facts.find(one.digest)
        if latents is None:
            raise LatentsError("nobody holds these latents any more; the cell that is copied makes them again.")
        if reason := unbindable(python_name(name)):
            raise NameNotFoundError(f"{name!r} cannot be a variable: {reason}.")
        check_free(python_name(name), self.names, self._bound)
        self.bind(python_name(name), latents)
        return python_name(name)

    def save(self, name: str, file: str) -> str:
        """Writes a variable's latents to a file.

        Args:
            name: The variable.
            file: Where; the ending chooses the format.

        Raises:
            JupyterLatentsError: No such variable, no latents in it, or the file cannot be written.
        """
        return str(latents_named(name, self.names).save(file))

    def load(self, name: str, file: str) -> Latents:
        """Reads latents from a file and binds them.

        Args:
            name: The variable to bind.
            file: A latents file.

        Raises:
            JupyterLatentsError: The name is no identifier, or the file cannot be read.
        """
        from jupyter_latents.latents.value import Latents

        if reason := unbindable(python_name(name)):
            raise NameNotFoundError(f"{name!r} cannot be a variable: {reason}.")
        latents = self._facts.of(Latents.load(file))
        self.remember(latents)
        self.bind(python_name(name), latents)
        return latents

    def bind(self, name: str, value: Any) -> None:
        """Binds a result to a kernel variable, which scripts may bind again.

        Args:
            name: The variable.
            value: Latents, or a sequence of them.
        """
        self.names[name] = value
        self._bound.add(name)

    def bind_ending(self, name: str, value: Latents | LatentsSequence) -> str:
        r"""Binds what the ``\setp`` that ends a script made, by the rules of ``--into``.

        Args:
            name: The variable.
            value: Latents, or a sequence of them.

        Returns:
            Why it is not bound; empty where it is.
        """
        reason = unbindable(name)
        try:
            check_free(name, self.names, self._bound)
        except ScriptError as error:
            reason = reason or error.message
        if not reason:
            self.bind(name, value)
        return reason

    def may_bind(self, stage: Stage, *, force: bool = False) -> None:
        """Refuses a stage that would overwrite a variable which no script made.

        Args:
            stage: The stage.
            force: Whether to overwrite whatever there is.

        Raises:
            ScriptError: It would.
        """
        if not (stage.force or force):
            check_free(stage.into, self.names, self._bound)

    def drop(self, *names: str) -> None:
        """Deletes variables that hold latents, one or several.

        Args:
            names: The variables.

        Raises:
            NameNotFoundError: One of them is not there or holds no latents; none is deleted then.
        """
        drop(self.names, names)

    @property
    def model_names(self) -> ModelNames:
        """What models are called that the environment names, in all sessions of the process."""
        return PROCESS.model_names

    def holdings(self) -> list[PartRow]:
        """The parts of models that are loaded, most recently used first; models are called as scripts called them."""
        hidden = self.model_names.hidden
        return [replace(row, models=tuple(map(hidden, row.models))) for row in self.engine.holdings()]

    def unload(self, name: str | None = None) -> str:
        """Lets go of a model's parts, or of all, for every session on the same engine.

        Args:
            name: The model as a stage named it; None for all.

        Returns:
            How much memory that was, as text.
        """
        try:
            return readable(self.engine.unload(self.model_names.real(name) if name is not None else None))
        except JupyterLatentsError as error:
            raise error.rewritten(self.model_names.hidden) from None

    def keep_in(self, folder: str | None) -> str:
        """Keeps results of stages in a folder from now on, and answers from it.

        Args:
            folder: The folder, made when missing; None for none.

        Returns:
            What it holds, as text.

        Raises:
            SettingError: The folder cannot be written to.
        """
        from jupyter_latents.session.memory.store import store_in

        self.memo.store = store_in(folder, self.settings) if folder is not None else None
        return repr(self.memo.store) if self.memo.store is not None else "no store"

    def fits(self, latents: Latents, model: str) -> str:
        """How latents would enter a model, told without loading its weights and without asking the network.

        Args:
            latents: What would be handed over.
            model: A model's name, as in a script.
        """
        return verdict(self.engine, latents, model)

    def environment(self, task: Task, observer: Observer, check: Callable[[], None]) -> Environment:
        """What the templates and directives of a task's script see.

        Args:
            task: The task.
            observer: Is told what they print.
            check: Called for each line; it raises to stop.
        """
        weighter = self.settings.prompt_weighter
        return Environment(
            injected_args=list(task.arguments),
            kernel=self.names,
            have_cuda=machine.have_cuda,
            have_mps=machine.have_mps,
            have_xpu=machine.have_xpu,
            default_device=machine.default_device,
            picture_size=file_size,
            have_feature=machine.have_feature,
            total_memory=machine.total_memory,
            image_process=partial(process_pictures, fetch=download, check=check),
            print=observer.note,
            warn=partial(observer.note, warning=True),
            defaults={} if weighter == "none" else {"prompt.weighter": weighter},
            modules={"numpy": numbers()},
            check=check,
        )

    def resolver(self, environment: Environment) -> Resolver:
        """Looks up what image seeds name.

        Args:
            environment: Of the script; holds what its templates handed over.
        """
        return Resolver(self.names, environment.captured, self._facts.of, self._picture_of)

    def _picture_of(self, latents: Latents, stage: Stage, _name: str) -> list[Image]:
        """Pictures of latents in the image position, by the VAE that the engine chooses."""
        from jupyter_latents.latents.clip import frames_of

        return frames_of(self.engine.decode(latents, stage.model))

    def remember(self, latents: Latents) -> None:
        """Keeps the facts of latents, so that a bare file of the same tensor has them back.

        Args:
            latents: What a stage made or a file held; all its steps are remembered.
        """
        self._facts.remember(latents)
