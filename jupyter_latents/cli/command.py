"""The command: reads its line, and says by its exit code how it ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from jupyter_latents.above import above
from jupyter_latents.errors import HelpAskedError, JupyterLatentsError

from .line import CommandLine, read_line
from .manual import STOPPED, manual
from .reports import WRONG, report

__all__ = ["main"]


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        words: Those behind its name; None for those that the process was started with.

    Returns:
        0 done, 1 a stage failed, 2 a script or an option is wrong, 130 stopped.
    """
    try:
        return _answer(sys.argv[1:] if words is None else words)
    except BrokenPipeError:  # whoever read the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WRONG
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing was made.\n")
        return STOPPED


def _answer(words: Sequence[str]) -> int:
    try:
        line = read_line(words)
        text = _text(line)
    except HelpAskedError as asked:
        text = asked.message
    except JupyterLatentsError as error:
        return report(error)
    if text:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
        return 0
    if not line.files:
        sys.stderr.write(
            "no script is given: jupyter-latents FILE ..., or - for standard input; files stand before options of "
            "scripts that take several values. --help tells more.\n"
        )
        return WRONG
    from .work import work

    return work(line)


def _text(line: CommandLine) -> str:
    """What is to be printed in place of a run; empty for nothing."""
    if line.version:
        return f"jupyter-latents {above().version}"
    return manual(line.help) if line.help is not None else ""
