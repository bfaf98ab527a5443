"""Errors on standard error, with the file and the line."""

from __future__ import annotations

import sys

from jupyter_latents.errors import JupyterLatentsError, ScriptError
from jupyter_latents.wording import visible

__all__ = ["FAILED", "WRONG", "report"]

FAILED = 1
"""Exit code of a script of which a stage failed."""

WRONG = 2
"""Exit code of scripts and options that are wrong."""


def report(error: BaseException, source: str = "") -> int:
    """Tells an error: ``file:line:column: message``, and below it the line with a caret.

    Args:
        error: What went wrong.
        source: The script that it is from; empty where it is from none.

    Returns:
        The exit code.
    """
    place = getattr(error, "place", None)
    lines = visible(str(error)).split("\n")
    if place is not None:
        lines = [*lines[:-3], *lines[-2:]]  # the place stands before the message
    at = f":{place.line}:{place.column}" if place is not None and source else ""
    where = f"{visible(source)}{at}: " if source else ""
    kind = f"{type(error).__name__}: " if isinstance(error, JupyterLatentsError) else ""
    sys.stderr.write("\n".join([f"{where}{kind}{lines[0]}", *lines[1:]]) + "\n")
    return WRONG if isinstance(error, ScriptError) else FAILED
