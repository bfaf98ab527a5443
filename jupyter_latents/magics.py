"""The IPython magics: they parse, hand over and display; no logic of their own.

What they need is imported when a magic is first used, so that ``%load_ext`` costs next to nothing.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from jupyter_latents.ahead import Ahead
from jupyter_latents.completer import register as complete
from jupyter_latents.completer import unregister as stop_completing
from jupyter_latents.config import register as configure
from jupyter_latents.config import unregister as stop_configuring
from jupyter_latents.errors import HelpAskedError, ScriptError, nearest
from jupyter_latents.formats import listed
from jupyter_latents.stopping import Interrupted

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_latents.display.view import RunView
    from jupyter_latents.session import Session
    from jupyter_latents.session.runs.run import Run
    from jupyter_latents.syntax import Script
    from jupyter_latents.syntax.options.magic_options import MagicOptions

__all__ = ["Desk", "Dgen", "Interrupted", "LatentsMagic", "load", "unload"]


class Desk:
    """Where a shell's magics find its session; while the shell lives, so does what the session keeps.

    Args:
        shell: The IPython shell.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The session of the shell's namespace, made when first asked for."""
        from jupyter_latents.display.wiring import session_with_display

        self._session = session_with_display(self._shell.user_ns)
        return self._session

    def put(self, picture: str) -> None:
        """Puts the cell that makes a picture after the present one.

        Args:
            picture: The picture's file.
        """
        from jupyter_latents.session.cells.reading import cell_from

        self._shell.set_next_input(cell_from(picture).rstrip("\n"))


class Dgen:
    """The ``%%dgen`` and ``%dgen`` magics of one shell.

    Args:
        desk: The shell's.
    """

    _ipython_magic_no_var_expand = True  # prompts hold {} and $, as with @no_var_expand
    __name__ = "dgen"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def getdoc(self) -> str:
        """What ``%%dgen?`` shows, made from the option table."""
        from jupyter_latents.syntax.options.help import help_text

        return help_text()

    def __call__(self, line: str, cell: str | None = None) -> Any:
        """Runs a script: the cell's, or the file's of ``--file``; ``--seeds?`` in it asks for help instead."""
        try:
            return self._do(line, cell)
        except HelpAskedError as asked:
            print(asked.message)  # noqa: T201 - the magic's own output
            return None
        except Interrupted:
            raise
        except KeyboardInterrupt:  # while a first cell imports, most of all
            raise Interrupted("the cell was stopped before it began a run; nothing was made.") from None

    def _do(self, line: str, cell: str | None) -> Any:
        from jupyter_latents.syntax.options.magic_line import parse_magic_line

        options = parse_magic_line(line, magic="%dgen" if cell is None else "%%dgen")
        if options.models or options.unload is not None:
            return _models(self._desk.session, options)
        if options.origin is not None or options.panel:
            return self._desk.put(options.origin) if options.origin else _panel(self._desk.session, cell)
        alone = not (cell or "").strip() and options.file is None
        if options.store is not None or options.executor is not None:
            told = _settle(self._desk.session, options)
            if alone:
                return _shown(self._desk.session, options, told)
        if options.help is not None or (cell is None and options.file is None):
            from jupyter_latents.syntax.options.help import help_text

            print(help_text(options.help or ""))  # noqa: T201 - the magic's own output
            return None
        script = _script(options, cell)
        session = self._desk.session
        session.check(script)
        return _dry_run(session, script, options) if options.dry_run else _start(session, script, options)


class LatentsMagic:
    """The ``%latents`` magic of one shell.

    Args:
        desk: The shell's.
    """

    _ipython_magic_no_var_expand = True
    __name__ = "latents"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def getdoc(self) -> str:
        """What ``%latents?`` shows."""
        return _LATENTS_HELP

    def __call__(self, line: str) -> Any:
        """Lists, saves, loads or drops latents."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise ScriptError(f"%latents {line}: {error}.\n{_LATENTS_HELP}") from error
        command, rest = (words[0], words[1:]) if words else ("list", [])
        known = ("list", "save", "load", "drop")
        if command not in known:
            raise ScriptError(f"%latents has no {command!r}{nearest(command, known) or '.'}\n{_LATENTS_HELP}")
        session = self._desk.session
        if command == "list":
            from jupyter_latents.display.tables.listing import listing

            return listing(session.names)
        if command == "drop" and not rest:
            raise ScriptError(f"%latents drop takes the names of variables.\n{_LATENTS_HELP}")
        if command != "drop" and len(rest) != 2:
            raise ScriptError(f"%latents {command} takes a name and a file.\n{_LATENTS_HELP}")
        if command == "save":
            print(f"written: {session.save(*rest)}")  # noqa: T201 - the magic's own output
        elif command == "load":
            return session.load(*rest)
        else:
            session.drop(*rest)
        return None


_LATENTS_HELP = f"""%latents: the latents that this session's variables hold.

%latents                  list them: name, picture, space, noise, size, age
%latents save NAME FILE   write one: {listed("latents", "or", dot=".")}; .safetensors keeps everything
%latents load NAME FILE   read one and bind it
%latents drop NAME ...    delete variables"""


def _start(session: Session, script: Script, options: MagicOptions) -> Run | None:
    from jupyter_latents.display.view import RunView
    from jupyter_latents.session import Task
    from jupyter_latents.session.runs.waiting import await_libraries

    # A cell that waits for its run raises the run's error, so the view need not tell it too.
    view = RunView(
        preview_every=options.preview_every,
        preview_vae=options.preview_vae,
        verbose=options.verbose,
        bind=session.names.__setitem__,
        tells_error=options.background,
    )
    view.show()
    run = session.start(Task(script, options.arguments, options.force, options.verbose), view)
    try:
        view.attach(run)
        if options.background:
            await_libraries(run, session)
            return run
        _wait(run, view)
    except Interrupted:
        raise
    except KeyboardInterrupt:  # before the cell waits
        run.stop()
        raise Interrupted(
            "the run was stopped; what it had made is kept, and the same again goes on from there."
        ) from None
    return None


def _panel(session: Session, cell: str | None) -> Any:
    from jupyter_latents.display.panel import panel

    return panel(cell, session=session)


def _models(session: Session, options: MagicOptions) -> Any:
    from jupyter_latents.display.tables.listing import holdings

    if options.unload is not None:
        print(f"let go of {session.unload(options.unload or None)}")  # noqa: T201 - the magic's own output
    return holdings(session.holdings()) if options.models else None


def _settle(session: Session, options: MagicOptions) -> str:
    """Sets what holds from now on; says what that is, in words."""
    told = []
    if options.store is not None:
        told.append(session.keep_in(None if options.store == "off" else options.store))
    if options.executor is not None:
        told.append(session.run_on(options.executor))
    return "\n".join(told)


def _shown(session: Session, options: MagicOptions, told: str) -> Any:
    """What a magic answers that only sets something: the words, or the workers as a table."""
    if options.executor in (None, "local"):
        print(told)  # noqa: T201 - the magic's own output
        return None
    from jupyter_latents.display.tables.workers import WorkerTable

    return WorkerTable(session.workers())


def _dry_run(session: Session, script: Script, options: MagicOptions) -> None:
    from IPython.display import display

    from jupyter_latents.session import Task

    display(session.plan(Task(script, options.arguments, options.force)))  # type: ignore[no-untyped-call]


def _script(options: MagicOptions, cell: str | None) -> Script:
    from jupyter_latents.syntax import Script

    if options.file is None:
        return Script(cell or "", first_line=2)
    if cell is not None and cell.strip():
        raise ScriptError("--file runs a file, and the cell has a script of its own; use one of the two.")
    return Script.in_file(options.file)


def _wait(run: Run, view: RunView) -> None:
    """Waits for a foreground run; the kernel's interrupt stops it at a whole step."""
    from jupyter_latents.session.runs.waiting import attend

    attend(run, view.pump, view.finish)


_AHEAD: WeakKeyDictionary[InteractiveShell, Ahead] = WeakKeyDictionary()


def load(shell: InteractiveShell) -> None:
    """Registers the magics and the completer with an IPython shell."""
    register: Any = shell.register_magic_function
    desk = Desk(shell)
    register(Dgen(desk), magic_kind="line_cell", magic_name="dgen")
    register(LatentsMagic(desk), magic_kind="line", magic_name="latents")
    complete(shell)
    configure(shell)
    _AHEAD[shell] = Ahead(shell)


def unload(shell: InteractiveShell) -> None:
    """Takes the magics and the completer out of a shell again."""
    stop_completing(shell)
    stop_configuring(shell)
    if (ahead := _AHEAD.pop(shell, None)) is not None:
        ahead.cancel()
    for kind, name in (("cell", "dgen"), ("line", "dgen"), ("line", "latents")):
        shell.magics_manager.magics[kind].pop(name, None)
