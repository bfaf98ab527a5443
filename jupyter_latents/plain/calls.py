"""`run` and `start`: a script or stages in plain Python, on the session that the magics use."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast, overload

from jupyter_latents import session as sessions
from jupyter_latents.display.marimo import in_marimo, refuse_to_bind
from jupyter_latents.display.publishing import shell
from jupyter_latents.engine import Silent
from jupyter_latents.errors import JupyterLatentsError, ScriptError, SettingError
from jupyter_latents.plain.names import Among
from jupyter_latents.plain.scripts import Written, written
from jupyter_latents.plain.wordings import in_python
from jupyter_latents.session import Task
from jupyter_latents.session.runs.steps import OnStep
from jupyter_latents.session.runs.waiting import attend, await_libraries
from jupyter_latents.stage import Stage
from jupyter_latents.syntax import Script

if TYPE_CHECKING:
    from jupyter_latents.latents.sequence import LatentsSequence
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.session import Session
    from jupyter_latents.session.runs.run import Made, Run

__all__ = ["Runnable", "run", "start"]

Runnable: TypeAlias = str | os.PathLike[str] | Stage | Sequence[Stage]
Names: TypeAlias = MutableMapping[str, Any]

_FILE = re.compile(r"\S+\.dgen")
_LOG = logging.getLogger("jupyter_latents")


@overload
def run(
    script: Stage,
    *,
    names: Names | None = None,
    force: bool = False,
    on_step: OnStep | None = None,
    executor: str | None = None,
) -> Latents: ...


@overload
def run(
    script: list[Stage] | tuple[Stage, ...],
    *,
    names: Names | None = None,
    force: bool = False,
    on_step: OnStep | None = None,
    executor: str | None = None,
) -> LatentsSequence: ...


@overload
def run(
    script: str | os.PathLike[str],
    *,
    names: Names | None = None,
    force: bool = False,
    on_step: OnStep | None = None,
    executor: str | None = None,
) -> Latents | LatentsSequence: ...


def run(
    script: Runnable,
    *,
    names: Names | None = None,
    force: bool = False,
    on_step: OnStep | None = None,
    executor: str | None = None,
) -> Latents | LatentsSequence:
    """Runs a script or stages and waits for what they make.

    An interrupt (Ctrl-C, ■) stops it at a whole step: what was made is bound to its names, and the same call goes on
    from there.

    Args:
        script: Text as in a ``%%dgen`` cell; the path of a script, as a `pathlib.Path`; a `Stage`; or a list of stages.
        names: What the script reads and where ``--into`` binds. None for the variables of the shell or notebook; in any
            other Python for names of this run alone.
        force: Run again even where a kept result would answer.
        on_step: Called with a `Step` after each one, from the run's thread. What it raises stops the run at that step,
            and is raised here.
        executor: Where stages run: ``local``, ``ray`` for several workers on this machine, or the ``host:port`` of a
            Ray cluster's head. None for where the session runs them.

    Returns:
        What the last model and options of a script made: `Latents` of shape
        (batch, channels, height/factor, width/factor), or a `LatentsSequence` where options multiply. Of a `Stage` its
        `Latents`; of a list of stages a `LatentsSequence`, one for each.

    Raises:
        ScriptError: Something is wrong in the script, and where.
        JupyterLatentsError: A stage cannot run, with the reason; what was made before it stays.
        KeyboardInterrupt: It was interrupted; the message says what there is of it.
        SettingError: It was called from inside a run, or with something that is no script, no names or no function.
    """
    started, _ = _begin(script, names=names, force=force, on_step=on_step, executor=executor)
    attend(started)
    return started.get()


def start(
    script: Runnable,
    *,
    names: Names | None = None,
    force: bool = False,
    on_step: OnStep | None = None,
    executor: str | None = None,
) -> Run:
    """Starts a script or stages and returns while they run.

    The first in a process returns when torch and diffusers are imported, some seconds: code that imports a part of one
    of them meanwhile would break both imports. The `Run` can be awaited (``await start(...)`` gives what `run`
    returns), iterated for its steps (``for`` and ``async for``), and used as a context that stops it at its end.

    Args:
        script: See `run`.
        names: See `run`.
        force: See `run`.
        on_step: See `run`; whoever waits for the run raises what it raised.
        executor: See `run`.

    Returns:
        The run, perhaps queued behind an earlier one.

    Raises:
        ScriptError: Something is wrong in the script, and where.
        KeyboardInterrupt: It was interrupted before it returned; the run is stopped.
        SettingError: It was called from inside a run, or with something that is no script, no names or no function.
    """
    started, session = _begin(script, names=names, force=force, on_step=on_step, executor=executor)
    await_libraries(started, session)
    return started


def _begin(
    script: Runnable, *, names: Names | None, force: bool, on_step: OnStep | None, executor: str | None
) -> tuple[Run, Session]:
    """Starts a run; with the session that runs it."""
    _check_given(names, on_step)
    running = getattr(shell(), "user_ns", None)
    session = sessions.current(running)
    job = _job(script, session.names if names is None and running is not None else names or {})
    try:
        session.check(job.script)
    except JupyterLatentsError as error:
        raise job.reworded(error) from error.__cause__
    among = _view(session if executor is None else session.on(executor), names, running, job.written)
    task = Task(job.script, force=force, reword=job.reworded)
    started = _seen(among, task, on_step) if in_marimo() else among.start(task, _Logged(), on_step)
    started.gives = job.given
    return started, among


def _check_given(names: object, on_step: object) -> None:
    """Sees that names can be bound and steps be told, before anything runs.

    Raises:
        SettingError: They cannot.
    """
    if names is not None and not isinstance(names, MutableMapping):
        raise SettingError(f"names is a {type(names).__name__}; give a dict, in which results are bound.")
    if on_step is not None and not callable(on_step):
        raise SettingError(f"on_step is a {type(on_step).__name__}; give a function, which is called with each step.")


def _seen(session: Session, task: Task, on_step: OnStep | None) -> Run:
    """Starts a task with a view, which is drawn where a cell ends with the run."""
    from jupyter_latents.display.view import RunView

    view = RunView(bind=refuse_to_bind)
    started = session.start(task, view, on_step)
    view.attach(started)
    return started


def _view(session: Session, names: Names | None, running: Names | None, script: Written | None) -> Session:
    """The session among the names of one run."""
    if names is None and running is not None:
        own: Names = session.names
        return session if script is None else session.among(Among(own, script.values, script.own))
    own = {} if names is None else names
    bound = set(own)  # what latents there are may be bound again; all else only by --force
    return session.among(own if script is None else Among(own, script.values, script.own), bound)


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be run.

    Attributes:
        script: The script.
        written: How it was written, where stages were given.
        several: Whether a list of them was.
    """

    script: Script
    written: Written | None = None
    several: bool = False

    def given(self, made: Sequence[Made]) -> Made:
        """What the run gives of what its stages made."""
        if self.written is None:
            return made[-1]
        chosen = [made[number] for number in self.written.asked]
        return _joined(chosen, self.written) if self.several else chosen[0]

    def reworded(self, error: JupyterLatentsError) -> JupyterLatentsError:
        """An error as the one reads it who gave the script, or the stages."""
        if self.written is None:
            return error
        before = ""
        if len(self.written.stages) > 1 and error.place is not None:
            number = self.written.stage_at(error.place.line)
            before = f"stage {number + 1}, {self.written.stages[number].model.name}: "
        return in_python(error, before)


def _joined(chosen: Sequence[Made], script: Written) -> LatentsSequence:
    """The latents of several stages as one sequence."""
    from jupyter_latents.latents.sequence import LatentsSequence

    items: list[Latents] = []
    labels: list[str] = []
    for label, made in zip(script.labels, chosen, strict=True):
        parts = list(made) if isinstance(made, LatentsSequence) else [made]
        items += parts
        labels += [label] * len(parts)
    return LatentsSequence(tuple(items), tuple(labels))


def _job(given: object, taken: Names) -> _Job:
    """What is to be run, checked as far as that is plain.

    Raises:
        SettingError: It is no script, and no stages.
        ScriptError: It is empty, or begins with what only a cell may.
        NameNotFoundError: The file cannot be read.
    """
    if isinstance(given, os.PathLike):
        return _Job(Script.in_file(os.fspath(given)))
    if isinstance(given, str):
        return _Job(_text(given))
    if isinstance(given, Stage):
        return _staged([given], taken, several=False)
    if isinstance(given, (list, tuple)) and given and all(isinstance(one, Stage) for one in given):
        return _staged(cast("Sequence[Stage]", given), taken, several=True)
    raise SettingError(
        f"{repr(given)[:60]} is no script; give the text of a cell, the path of a file as pathlib.Path, a Stage, or a "
        "list of stages."
    )


def _staged(stages: Sequence[Stage], taken: Names, *, several: bool) -> _Job:
    script = written(stages, taken=taken)
    return _Job(Script(script.text), script, several)


def _text(text: str) -> Script:
    """A script; a whole cell, too, whose first line says so.

    Raises:
        ScriptError: It is the name of a file, is empty, or is a cell with options for the magic.
    """
    if _FILE.fullmatch(text.strip()):
        raise ScriptError(f"{text.strip()!r} is taken as a script, and names a file; give pathlib.Path(...) to run it.")
    return Script.whole(text)


class _Logged(Silent):
    """An observer that logs what a run says: warnings as such, the rest as information."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """See `Observer.note`."""
        _LOG.log(logging.WARNING if warning else logging.INFO, "%s", text)
