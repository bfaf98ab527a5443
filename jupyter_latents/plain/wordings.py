"""Errors about options as Python spells them."""

from __future__ import annotations

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.syntax.options.keywords import PARTS, keyword_spelling
from jupyter_latents.wording import spell

__all__ = ["in_python"]


def in_python(error: JupyterLatentsError, before: str = "") -> JupyterLatentsError:
    """An error with options by their names in Python, and without a place: nobody wrote the lines of a script.

    Args:
        error: What went wrong; it is changed.
        before: What to put before the message.

    Returns:
        The error.
    """
    error.template = f"{before}{error.template}"
    error.message = spell(error.template, keyword_spelling, PARTS)
    error.place, error.args = None, (error.message,)
    return error
