"""The picture size of a stage: decided once, from latents, options, input pictures and the model."""

from __future__ import annotations

from dataclasses import replace

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.given.picture_sizes import ALIGN, asked_size, round_down
from jupyter_latents.engine.given.processing import size_after
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.errors import HandoffError
from jupyter_latents.stage import Size, Stage
from jupyter_latents.wording import option

__all__ = ["picture_size", "size_before"]


def picture_size(
    stage: Stage, latents: Standing | None, given: Given, facts: ModelFacts
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """(width, height) in pixels of what a stage makes, and what is to be told of it.

    It is the size of the latents, else that of the option, of the picture, of a control image alone, or of the
    model's own choice; sides that the model cannot make are rounded down to its multiples. Beside the option a picture
    keeps its shape, as in dgenerate, unless its seed resizes it: the width is the option's.

    Args:
        stage: What is asked for.
        latents: The latents that enter its schedule, in the model's own space; None without.
        given: What goes into it.
        facts: Its model's.

    Raises:
        HandoffError: Latents of a size that the model cannot make, or of another than asked for.
    """
    align, name = facts.family.align, stage.model.name
    if latents is not None:
        size = facts.space.size_of(latents.shape)
        _check_latents(stage, latents, size, align, _rounded(_wanted(stage, given, facts), align))
        return size, ()
    wanted = _wanted(stage, given, facts)
    made = size_after(stage, given, size_before(stage, given, facts))
    if made != size_before(stage, given, facts):
        size = _rounded(made, align)
        return size, (f"the picture is {Size(*size)} after its processors",)
    size, asked = _rounded(wanted, align), wanted if stage.size or given.asked is None else given.asked
    notes = []
    if stage.size is not None and wanted != (stage.size.width, stage.size.height):
        shape = "the picture keeps its shape; aspect=false in its seed stretches it"
        notes.append(f"size {stage.size} becomes {Size(*wanted)}: {shape}")
    if size != asked:
        notes.append(f"size {Size(*asked)} is rounded to {Size(*size)}: {name} makes multiples of {align} pixels")
    return size, tuple(notes)


def size_before(stage: Stage, given: Given, facts: ModelFacts) -> tuple[int, int]:
    """(width, height) in pixels that the pictures of a stage are brought to before processors change them.

    Args:
        stage: What is asked for.
        given: What goes into it.
        facts: Its model's.
    """
    return _rounded(_wanted(stage, given, facts), facts.family.align)


def _wanted(stage: Stage, given: Given, facts: ModelFacts) -> tuple[int, int]:
    """The size before it is rounded: beside the option, a picture that its seed does not resize keeps its shape."""
    own, seed = next(iter(given.images), given.sized), stage.image_seed
    if stage.size is None:
        return own or facts.default_size
    wanted = (stage.size.width, stage.size.height)
    if own is None or seed is None or seed.resize is not None or facts.family.pictured:
        return wanted
    width, height = asked_size(own, replace(seed, resize=stage.size))
    return width, height if height == stage.size.height else round_down(height, ALIGN)


def _rounded(size: tuple[int, int], align: int) -> tuple[int, int]:
    return round_down(size[0], align), round_down(size[1], align)


def _check_latents(stage: Stage, latents: Standing, size: tuple[int, int], align: int, shaped: tuple[int, int]) -> None:
    if size != _rounded(size, align):
        raise HandoffError(
            f"latents of shape {latents.shape} are {Size(*size)} pixels, and {stage.model.name} makes multiples of "
            f"{align} pixels. Bring them there with resize(), crop() or pad(), such as resize({_rounded(size, align)})."
        )
    wanted = stage.size
    if wanted is not None and size not in (_rounded((wanted.width, wanted.height), align), shaped):
        raise HandoffError(
            f"{option('output_size')} {wanted} does not fit latents of shape {latents.shape}, which are {Size(*size)} "
            "pixels. Leave it out.",
            option="output_size",
        )
