"""The command's help, made from its table of options."""

from __future__ import annotations

import textwrap

from jupyter_latents.syntax.options.help import help_text
from jupyter_latents.syntax.options.table import OPTIONS

from .line import COMMAND_OPTIONS, CommandOption

__all__ = ["STOPPED", "manual"]

STOPPED = 130
"""Exit code of a run that was stopped, as shells have it for Ctrl-C."""

_HEAD = """\
jupyter-latents [options] FILE ... [options of scripts]

Runs scripts in dgenerate's language, one after another, as the cells of one notebook: what an earlier one binds by
--into, a later one can name. - is standard input. Options of scripts, such as --output-path out, are put at the end of
every model of every script; those with several values stand behind the files."""

_TAIL = """\
EXIT CODES
    0  done
    1  a stage failed, or --dry-run found one that cannot run
    2  a script or an option is wrong
  130  stopped by Ctrl-C or SIGTERM, at a whole step; a second one ends at once"""

_SIDE = 24


def manual(topic: str = "") -> str:
    """Help of the command, or of one option.

    Args:
        topic: The option's name, with or without dashes; empty for the command.

    Raises:
        ScriptError: There is no such option.
    """
    if topic:
        return help_text(topic)
    rows = "\n".join(map(_row, COMMAND_OPTIONS))
    listed = " ".join(option.name for option in OPTIONS)
    names = textwrap.fill(listed, 96, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    about = "OPTIONS OF SCRIPTS (--help NAME explains one)"
    return f"{_HEAD}\n\nOPTIONS\n{rows}\n\n{about}\n{names}\n\n{_TAIL}"


def _row(option: CommandOption) -> str:
    value = f" [{option.metavar}]" if option.dest == "help" else f" {option.metavar}" if option.metavar else ""
    return f"  {', '.join(option.names) + value:<{_SIDE}} {option.help}"
