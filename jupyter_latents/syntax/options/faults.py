"""Errors about options: they name options by reference, and read as scripts write them."""

from __future__ import annotations

from jupyter_latents.errors import JupyterLatentsError, Place, ScriptError
from jupyter_latents.wording import option, plain

from .table import NAMES

__all__ = ["fault", "named", "spelling"]


def spelling(dest: str) -> str:
    """An option as scripts write it, ``--denoising-start``; in words, where there is no such option.

    Args:
        dest: The option's name in the table.
    """
    return NAMES.get(dest) or plain(dest)


def fault(text: str, dest: str, place: Place | None) -> ScriptError:
    """An error of a script.

    Args:
        text: What is wrong; options stand in it as `wording.option` writes them.
        dest: The option to blame.
        place: Where it stands.
    """
    error = ScriptError(text, option=dest, place=place)
    error.spelled(spelling)
    return error


def named(error: JupyterLatentsError, dest: str) -> None:
    """Puts the option whose value is wrong before the message.

    Args:
        error: What is wrong with the value; it is changed.
        dest: The option.
    """
    error.template = f"{option(dest)}: {error.template}"
    error.option = error.option or dest
    error.spelled(spelling)
    error.args = (error.message,)
