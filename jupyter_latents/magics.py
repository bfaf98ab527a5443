"""The IPython magics: they parse, hand over and display; no logic of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from jupyter_latents import session as sessions
from jupyter_latents.errors import JupyterLatentsError, NameNotFoundError, ScriptError
from jupyter_latents.session import Task
from jupyter_latents.syntax import Script
from jupyter_latents.syntax.help import help_text
from jupyter_latents.syntax.magic_options import MagicOptions, parse_magic_line

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_latents.display.view import RunView
    from jupyter_latents.executors import Run

__all__ = ["DgenMagics", "Interrupted", "load"]

_POLL = 0.1  # seconds between two looks at a foreground run


class Interrupted(KeyboardInterrupt):  # noqa: N818 - named as what happened, like KeyboardInterrupt
    """The kernel's interrupt ended a run at a whole step."""

    def _render_traceback_(self) -> list[str]:
        return [f"Interrupted: {self}"]


@magics_class
class DgenMagics(Magics):  # type: ignore[misc]
    """``%%dgen`` and ``%dgen``."""

    @no_var_expand
    @line_cell_magic
    def dgen(self, line: str, cell: str | None = None) -> Run | None:
        """See `help_text`; the docstring that ``%%dgen?`` shows is made from the option table."""
        options = parse_magic_line(line, magic="%dgen" if cell is None else "%%dgen")
        if options.help is not None or (cell is None and options.file is None):
            print(help_text(options.help or ""))  # noqa: T201 - the magic's own output
            return None
        script = _script(options, cell)
        script.check()
        session = sessions.current(self.shell.user_ns)
        view = _view(options)
        view.show()
        run = session.start(Task(script, options.arguments, options.force), view)
        view.attach(run)
        if options.background:
            return run
        _wait(run, view)
        return None


def _script(options: MagicOptions, cell: str | None) -> Script:
    if options.file is None:
        return Script(cell or "", first_line=2)
    if cell is not None and cell.strip():
        raise ScriptError("--file runs a file, and the cell has a script of its own; use one of the two.")
    path = Path(options.file).expanduser()
    try:
        return Script(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise NameNotFoundError(f"the script {path} cannot be read: {error}") from error


def _view(options: MagicOptions) -> RunView:
    from jupyter_latents.display.view import RunView

    return RunView(preview_every=options.preview_every, verbose=options.verbose)


def _wait(run: Run, view: RunView) -> None:
    """Waits for a foreground run; the kernel's interrupt stops it at a whole step."""
    interrupted = False
    while True:
        try:
            while not run.wait(_POLL):
                view.pump()
            break
        except KeyboardInterrupt:
            interrupted = True
            run.stop()
    view.finish()
    if isinstance(run.error, JupyterLatentsError):
        raise run.error
    if interrupted:
        raise Interrupted("the run ended at a whole step; what it had made is bound and can be continued.")


def load(shell: InteractiveShell) -> None:
    """Registers the magics and the completer with an IPython shell."""
    magics = DgenMagics(shell)
    shell.register_magics(magics)
    sessions.current(shell.user_ns)


def _document(function: Any) -> None:
    function.__doc__ = help_text()


_document(DgenMagics.dgen)
