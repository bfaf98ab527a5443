"""Which option of an invocation an error is about."""

from __future__ import annotations

from jupyter_latents.errors import JupyterLatentsError, Place
from jupyter_latents.syntax import Invocation
from jupyter_latents.syntax.options.table import BY_NAME

__all__ = ["blamed"]

# Errors of these parts of a stage point at the option that is to blame.
_BLAMED: dict[str, tuple[str, ...]] = {
    "NameNotFoundError": ("image_seeds",),
    "HandoffError": ("image_seeds",),
    "LatentsError": ("image_seeds",),
    "LatentsFileError": ("image_seeds",),
    "WindowError": ("denoising_start", "denoising_end", "inference_steps"),
    "ScriptError": ("schedulers",),
}


def blamed(invocation: Invocation, error: JupyterLatentsError) -> Place | None:
    """Where the option stands that is to blame for an error.

    Of errors without a row it is the option that the message begins with; the model where none was given.
    """
    given = [dest for dest in _BLAMED.get(type(error).__name__, ()) if dest in invocation.values]
    named = BY_NAME.get(error.message.partition(" ")[0].rstrip(":"))
    if not given and named is not None and named.dest in invocation.values:
        given = [named.dest]
    return invocation.place_of(given[0]) if given else invocation.place
