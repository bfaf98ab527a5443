"""An error as the one who wrote the script reads it: at the option to blame, with options spelled as scripts do."""

from __future__ import annotations

from jupyter_latents.errors import JupyterLatentsError, Place
from jupyter_latents.syntax import Invocation
from jupyter_latents.syntax.options.faults import spelling

__all__ = ["blame"]

# The option to blame for errors that name none: latents and pictures do not know what they were given as.
_OF_CLASS: dict[str, tuple[str, ...]] = {
    "NameNotFoundError": ("image_seeds",),
    "HandoffError": ("image_seeds",),
    "LatentsError": ("image_seeds",),
    "LatentsFileError": ("image_seeds",),
    "WindowError": ("denoising_start", "denoising_end", "inference_steps"),
}


def blame(invocation: Invocation, error: JupyterLatentsError) -> JupyterLatentsError:
    """Spells the options in an error's message as scripts do, and gives it the place of the option to blame.

    Args:
        invocation: What was being done.
        error: What went wrong; it is changed. Where it has a place already, it keeps that.

    Returns:
        The error.
    """
    error.spelled(spelling)
    place = _place(invocation, error)
    return error if place is None else error.at(place)


def _place(invocation: Invocation, error: JupyterLatentsError) -> Place | None:
    """Where the option stands that is to blame; where the model stands, when none was given."""
    suspects = (error.option,) if error.option else _OF_CLASS.get(type(error).__name__, ())
    given = [dest for dest in suspects if dest in invocation.values]
    return invocation.place_of(given[0]) if given else invocation.place
