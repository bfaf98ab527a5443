"""Plans or runs the scripts of a command line."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator

from jupyter_latents.errors import HelpAskedError, JupyterLatentsError, ScriptError
from jupyter_latents.session import Session, Task
from jupyter_latents.session.runs.run import Run
from jupyter_latents.syntax import Script
from jupyter_latents.wording import visible

from .line import CommandLine
from .manual import STOPPED
from .progress import Narrator, screen_of
from .reports import FAILED, WRONG, report
from .signals import Signals

__all__ = ["work"]

_POLL = 0.1  # seconds between two looks at a run


class _WrongError(Exception):
    """A script is wrong, and was told.

    Args:
        code: The exit code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def work(line: CommandLine) -> int:
    """Does what a command line asks for.

    Args:
        line: What it says.

    Returns:
        The exit code.
    """
    atexit.register(gc.freeze)  # else the process looks for a second through all that torch made before it ends
    session = Session(dict(line.values))
    try:
        scripts = [_read(file) for file in line.files]
        if line.store is not None and line.store != "off":
            session.keep_in(line.store)
        if line.executor is not None:
            session.run_on(line.executor)
        for script in scripts:
            _check(session, script)
    except HelpAskedError as asked:
        sys.stdout.write(f"{asked.message}\n")
        return 0
    except _WrongError as wrong:
        return wrong.code
    except JupyterLatentsError as error:
        report(error)
        return WRONG
    with Signals() as signals:
        tasks = [Task(script, line.arguments, line.force, line.verbose) for script in scripts]
        each = _planned(session, tasks) if line.dry_run else _run(session, tasks, line.store, signals)
        return next((code for code in each if code), 0)


def _read(file: str) -> Script:
    source = "<stdin>" if file == "-" else file
    try:
        return Script.in_bytes(sys.stdin.buffer.read(), source) if file == "-" else Script.in_file(file)
    except JupyterLatentsError as error:
        report(error, source if isinstance(error, ScriptError) else "")
        raise _WrongError(WRONG) from error


def _check(session: Session, script: Script) -> None:
    try:
        session.check(script)
    except HelpAskedError:
        raise
    except JupyterLatentsError as error:
        raise _WrongError(report(error, script.source)) from error


def _planned(session: Session, tasks: list[Task]) -> Iterator[int]:
    """Prints the plan of each script; one that has a stage which cannot run counts as failed, and others follow."""
    failed = 0
    for task in tasks:
        try:
            plan = session.plan(task)
        except JupyterLatentsError as error:
            failed = failed or report(error, task.script.source)
            continue
        head = f"{task.script.source}:\n" if len(tasks) > 1 else ""
        sys.stdout.write(f"{visible(f'{head}{plan!r}')}\n")
        failed = failed or (FAILED if plan.refused else 0)
    sys.stdout.flush()
    yield failed


def _run(session: Session, tasks: list[Task], store: str | None, signals: Signals) -> Iterator[int]:
    """Runs each script; the exit code of each."""
    screen, wrote = screen_of(sys.stderr), False
    for task in tasks:
        progress = Narrator(screen)
        run = session.start(task, progress)
        progress.follow(run)
        signals.follow(run)
        told = False
        while not run.wait(_POLL):
            if signals.asked and not told:
                told = True
                screen.line("stopping at the next whole step; once more ends at once", sys.stderr)
        screen.end()
        progress.tell_files()
        wrote = wrote or bool(run.files)
        yield _ended(run, task.script.source, store)
    if not wrote and store is None:
        sys.stderr.write("no file was written: --output-path FOLDER writes pictures.\n")


def _ended(run: Run, source: str, store: str | None) -> int:
    """The exit code of a run that has ended; what ended it before its time is told."""
    if run.error is not None:
        return report(run.error, source)
    if run.state != "stopped":
        return 0
    last = run.log.last
    if last is None:
        said = "stopped before its first step; nothing was made."
    else:
        where = f"stopped at step {last.index} of {last.total} of {last.stage.model.name}"
        kept = f"kept in {store}: the same command goes on from there" if store not in (None, "off") else ""
        said = f"{where}; {kept or 'nothing of it is kept, which --store FOLDER does'}."
    sys.stderr.write(f"{visible(source)}: {visible(said)}\n")
    return STOPPED
