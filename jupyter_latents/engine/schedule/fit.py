"""Whether latents fit a model: live in its space, or can cross into it."""

from __future__ import annotations

from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.vae.bridge import converter
from jupyter_latents.errors import HandoffError
from jupyter_latents.latents.files.comfy_file import RAW_VAE
from jupyter_latents.latents.spaces import Space, for_shape, likely_spaces
from jupyter_latents.wording import option

__all__ = ["check_fits"]


def check_fits(latents: Standing, space: Space, model: str, *, backwards: bool = False) -> bool:
    """Whether latents live in the receiving space; False where they must cross into it (`bridge`).

    Args:
        latents: What is handed over.
        space: The receiving model's space.
        model: Its name, for the message.
        backwards: Whether clean latents are what a stage begins with: its scheduler adds noise, or it noises them.

    Raises:
        HandoffError: Fully denoised latents, or another space and no way to bring them there, as between clips and
            pictures.
    """
    if latents.is_clean and not backwards:
        raise HandoffError(
            "these latents are fully denoised, so `latents:` has nothing left to denoise. Make them with "
            f"{option('denoising_end')} (such as 0.8), or put them in the image position "
            f"({option('image_seeds', 'image')} NAME), where they are decoded; {option('strengths')} noises them to a "
            "strength as they are. "
            f"{option('schedulers')} DDIMInverseScheduler takes them back to noise."
        )
    own = latents.space if latents.space is not None and latents.space.name != RAW_VAE else None
    _check_axes(latents, own, space, model)
    if own is None and latents.shape[1] == space.channels:
        return True
    if own is None:
        raise HandoffError(
            f"latents of shape {latents.shape} have {latents.shape[1]} channels{likely_spaces(latents.shape[1])}, and "
            f"{model} works in {space}. Nothing says which model made them, so they cannot be brought there. Continue "
            "them with a model of their own space; what it makes can cross."
        )
    if own.same_as(space):
        return True
    giver = latents.provenance.model
    known = bool(giver) or converter(own, space) is not None
    if known and (latents.has_estimate or latents.is_clean):
        return False
    why = (
        "they carry none (as from a file without facts, or after post-processors)"
        if known
        else "nothing says which model that is"
    )
    given = f"latents of {giver}" if giver else "these latents"
    raise HandoffError(
        f"{given} are of {own}, and {model} works in {space}. They cross as a clean estimate, decoded by the VAE of "
        f"the model that made them, and {why}. Continue them for a step with a model of {own.name} latents; what it "
        "makes can cross."
    )


def _check_axes(latents: Standing, own: Space | None, space: Space, model: str) -> None:
    """Raises where clips meet a model of pictures, pictures one of clips, or clips a space without their frames."""
    moves = for_shape(None, latents.shape).moves
    kinds = ("clips", "pictures")
    if moves != space.moves:
        ours, theirs = kinds if moves else kinds[::-1]
        raise HandoffError(
            f"latents of shape {latents.shape} are {ours}, and {model} makes {theirs} (shape {_shape_of(space)}). "
            f"Continue them with a model of {ours}."
        )
    if moves and own is not None and not own.same_as(space):
        _check_frames(own.frames_of(latents.shape), space, model)


def _shape_of(space: Space) -> str:
    names = {"b": "batch", "c": "channels", "f": "frames", "h": "height", "w": "width"}
    return ", ".join(names[axis] for axis in space.axes.split())


def _check_frames(frames: int, space: Space, model: str) -> None:
    """Raises where clips cannot cross into a space: through pixels they keep their frames, which it must have.

    Args:
        frames: Those of each clip.
        space: The receiving space.
        model: The receiving model, for the message.

    Raises:
        HandoffError: It has no such number of frames, or begins with frames that no pixels make.
    """
    over = (frames - 1) % space.frame_step
    if over:
        raise HandoffError(
            f"these clips have {frames} frames, and {model} makes {space.frame_step} at a time after the first: as "
            f"they cross into {space} they keep their frames. Cut them to {frames - over} by clip[0:{frames - over}]."
        )
    if space.filler:
        raise HandoffError(
            f"{model} fills its clips up before their first frame, which no other clip has; these do not cross into "
            "it. Continue them with a model of their own space."
        )
