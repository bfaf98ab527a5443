"""An error as the one who wrote the script reads it: at the option to blame, with options spelled as scripts do."""

from __future__ import annotations

from itertools import islice

from jupyter_latents.errors import JupyterLatentsError, Place, ScriptError
from jupyter_latents.stage import Stage
from jupyter_latents.syntax import Invocation, unsupported
from jupyter_latents.wording import option

__all__ = ["blame", "check_parts"]

# The option to blame for errors that name none: latents and pictures do not know what they were given as.
_OF_CLASS: dict[str, tuple[str, ...]] = {
    "NameNotFoundError": ("image_seeds",),
    "HandoffError": ("image_seeds",),
    "LatentsError": ("image_seeds",),
    "LatentsFileError": ("image_seeds",),
    "WindowError": ("denoising_start", "denoising_end", "inference_steps"),
}

# The option by which something may have been given as well.
_ELSE: dict[str, tuple[str, ...]] = {"negative_prompts": ("prompts",), "prompt_weighter": ("prompts",)}


def blame(invocation: Invocation, error: JupyterLatentsError, number: int = 0) -> JupyterLatentsError:
    """Spells the options in an error's message as scripts do, and gives it the place of the option to blame.

    Args:
        invocation: What was being done.
        error: What went wrong; it is changed. Where it has a place already, it keeps that.
        number: Which of the invocation's stages it is of.

    Returns:
        The error.
    """
    error.spelled(invocation.arguments.spelling)
    place = _place(invocation, error, number)
    return error if place is None else error.at(place)


def check_parts(stage: Stage) -> None:
    """Refuses parts of a stage's image seed that are read and not run.

    Args:
        stage: What is asked for.

    Raises:
        ScriptError: It has such parts.
    """
    refused = unsupported(stage.image_seed) if stage.image_seed is not None else []
    if refused:
        text = f"{', '.join(refused)} in {option('image_seeds')} is read but not run here; leave it out."
        raise ScriptError(text, option="image_seeds")


def _place(invocation: Invocation, error: JupyterLatentsError, number: int) -> Place | None:
    """Where the value stands that is to blame; where the model stands, when its option was not given."""
    own = (error.option, *_ELSE.get(error.option, ())) if error.option else ()
    suspects = own or _OF_CLASS.get(type(error).__name__, ())
    given = [dest for dest in suspects if dest in invocation.values]
    return invocation.place_of(given[0], _which(invocation, given[0], error, number)) if given else invocation.place


def _which(invocation: Invocation, dest: str, error: JupyterLatentsError, number: int) -> int:
    """Which value of an option is to blame: the stage's own; of those that go together, the one that is named."""
    picks = next(islice(invocation.picks(), number, None), {})
    if dest in picks:
        return picks[dest]
    names = [getattr(value, "name", None) for value in invocation.values[dest]]
    return next((index for index, name in enumerate(names) if name and str(name) in error.message), 0)
