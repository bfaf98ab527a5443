"""Latents where a picture is wanted: which VAE decodes them. The receiving model's, wherever it can."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_latents.engine.given.incoming import is_raw
from jupyter_latents.engine.given.outline import Outline, Standing
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.schedule.likeness import doubt
from jupyter_latents.errors import HandoffError
from jupyter_latents.latents.facts import CLEAN
from jupyter_latents.latents.spaces import AXES, Space, likely_spaces
from jupyter_latents.stage import ModelSource

__all__ = ["Decoding", "decoding"]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How latents in the place of a picture become one.

    Attributes:
        by_receiver: Whether the receiving stage's VAE decodes them, and not that of the model that made them.
        space: The space that they are read in.
        vae: Which VAE it is, in words.
        notes: What is assumed, or would surprise.
    """

    by_receiver: bool
    space: Space
    vae: str
    notes: tuple[str, ...] = ()


def decoding(latents: Standing, facts: ModelFacts, receiver: ModelSource) -> Decoding:
    """Decides which VAE decodes latents in the place of a picture.

    Latents of the receiver's space, of its channels where they name none, are decoded by the receiver's VAE, or the one
    that the stage puts in its place; those of another space by the VAE of the model that made them.

    Args:
        latents: The latents, or their outline.
        facts: The receiving model's.
        receiver: The receiving model, as the stage names it.

    Raises:
        HandoffError: No VAE is known that decodes them.
    """
    if len(latents.shape) > len(AXES[0].split()) and not facts.family.reads_clips:
        raise HandoffError(
            f"latents of shape {latents.shape} are a clip, and a picture is wanted. Decode them and give one frame, "
            "such as clip.decode()[0].",
            option="image_seeds",
        )
    own = None if latents.space is None or is_raw(latents, facts) else latents.space
    if own is None and latents.shape[1] != facts.space.channels:
        raise HandoffError(
            f"latents of shape {latents.shape} in the place of a picture have {latents.shape[1]} channels"
            f"{likely_spaces(latents.shape[1])}, and {receiver.name} works in {facts.space}. Nothing says which model "
            "made them, so no VAE decodes them. Decode them with a model of their own space first.",
            option="image_seeds",
        )
    noisy = _noisy(latents)
    if own is None or own.same_as(facts.space):
        vae = f"the VAE {receiver.vae}" if receiver.vae else f"the VAE of {receiver.name}"
        taken = () if latents.space is not None else (f"bare latents are taken as clean ones of {facts.space}",)
        return Decoding(True, facts.space, vae, (*taken, *noisy, *_doubted(latents)))
    giver = latents.provenance.model
    if not giver:
        raise HandoffError(
            f"latents in the place of a picture are of {own}, and {receiver.name} works in {facts.space}. Nothing says "
            "which model made them, so no VAE decodes them. Decode them with a model of their own space first.",
            option="image_seeds",
        )
    why = f"the latents in the place of a picture are of {own}, not of {facts.space}: the VAE of {giver} decodes them"
    return Decoding(False, own, f"the VAE of {giver}", (why, *noisy))


def _doubted(latents: Standing) -> tuple[str, ...]:
    """What the values of bare latents say against their being clean ones."""
    if latents.noise is not None:
        return ()
    said = doubt(Outline.of(latents).deviation, CLEAN)
    return (said,) if said else ()


def _noisy(latents: Standing) -> tuple[str, ...]:
    """What is to be told of latents that still hold noise: they are not gone on with."""
    if latents.noise is None or latents.is_clean:
        return ()
    made = "their clean estimate is decoded" if latents.has_estimate else "they are decoded with their noise"
    note = (
        f"latents at {latents.noise} stand in the place of a picture: {made}, and noised anew. To go on from their "
        "noise, write latents: before their name."
    )
    return (note,)
