"""The picture size of a stage: decided once, from latents, options, input pictures and the model."""

from __future__ import annotations

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.given.picture_sizes import round_down
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.errors import HandoffError
from jupyter_latents.stage import Size, Stage
from jupyter_latents.wording import option

__all__ = ["picture_size"]


def picture_size(
    stage: Stage, latents: Standing | None, given: Given, facts: ModelFacts
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """(width, height) in pixels of what a stage makes, and what is to be told of it.

    It is the size of the latents, else that of the option, of the picture, of a control image alone, or of the
    model's own choice; sides that the model cannot make are rounded down to its multiples.

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
        _check_latents(stage, latents, size, align)
        return size, ()
    own = next(iter(given.images), given.sized or facts.default_size)
    wanted = (stage.size.width, stage.size.height) if stage.size else own
    size, asked = _rounded(wanted, align), wanted if stage.size or given.asked is None else given.asked
    if size == asked:
        return size, ()
    return size, (f"size {Size(*asked)} is rounded to {Size(*size)}: {name} makes multiples of {align} pixels",)


def _rounded(size: tuple[int, int], align: int) -> tuple[int, int]:
    return round_down(size[0], align), round_down(size[1], align)


def _check_latents(stage: Stage, latents: Standing, size: tuple[int, int], align: int) -> None:
    if size != _rounded(size, align):
        raise HandoffError(
            f"latents of shape {latents.shape} are {Size(*size)} pixels, and {stage.model.name} makes multiples of "
            f"{align} pixels. Bring them there with resize(), crop() or pad(), such as resize({_rounded(size, align)})."
        )
    wanted = stage.size
    if wanted is not None and _rounded((wanted.width, wanted.height), align) != size:
        raise HandoffError(
            f"{option('output_size')} {wanted} does not fit latents of shape {latents.shape}, which are {Size(*size)} "
            "pixels. Leave it out.",
            option="output_size",
        )
