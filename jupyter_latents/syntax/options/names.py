"""Names that no result may be bound to: Python's, and the shell's own."""

from __future__ import annotations

import builtins
import keyword
import re

__all__ = ["unbindable"]

_SHELL = frozenset({"In", "Out", "get_ipython", "exit", "quit", "display", "open"})
_BUILTINS = frozenset(dir(builtins))
_NUMBERED = re.compile(r"_{1,3}|_i{1,3}|_i?\d+|_[ido]h|_exit_code|__\w+__")
"""The shell's last and numbered inputs and outputs, and the names that Python keeps for itself."""


def unbindable(name: str) -> str:
    """Why a name can be no variable for a result; empty where it can.

    Args:
        name: The name.
    """
    if not name.isidentifier():
        return "use letters, digits and _, no digit first"
    if keyword.iskeyword(name):
        return "it is a word of Python; choose another name"
    if name in _BUILTINS or name in _SHELL or _NUMBERED.fullmatch(name):
        return "it is a name of Python or of the shell, which needs it; choose another name"
    return ""
