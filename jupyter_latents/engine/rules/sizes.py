"""The picture size of a stage: decided once, from latents, options, input pictures and the model."""

from __future__ import annotations

from typing import Any

from jupyter_latents.engine.given.inputs import Call, Given
from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.given.picture_sizes import round_down
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.memory import all_memory
from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.stage import Size, Stage
from jupyter_latents.wording import option, readable

__all__ = ["check_memory", "picture_size"]

_COPIES = 2  # of what a layer makes: what it is given and what it returns are there at the same time


def picture_size(
    stage: Stage, latents: Standing | None, given: Given, facts: ModelFacts
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """(width, height) in pixels of what a stage makes, and what is to be told of it.

    It is the size of the latents, else that of the option, of the picture, or of the model's own choice; sides that
    the model cannot make are rounded down to its multiples.

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
    own = next(iter(given.images), facts.default_size)
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


def check_memory(call: Call, facts: ModelFacts, device: Any, itemsize: int) -> None:
    """Refuses a size of which one layer or the decoded picture alone is larger than the machine's memory.

    Args:
        call: What the pipeline's call is made for.
        facts: The model's.
        device: The torch device that it runs on.
        itemsize: Bytes of one value.

    Raises:
        ModelError: It can never run here.
    """
    stage, size, batch = call.stage, call.size, call.batch
    layer = _layer_values(size, facts) * itemsize
    decoded = 3 * size[0] * size[1] * 4 if stage.window.end in (None, 1.0) else 0  # red, green, blue in float32
    needs = _COPIES * batch * max(layer, decoded)
    there = all_memory(device)
    if needs > there:
        raise ModelError(
            f"{batch} x {Size(*size)} pixels need at least {readable(needs)} of memory for one layer of "
            f"{stage.model.name} or the decoded picture, and {device} has {readable(there)}. Make the size smaller, "
            "or the batch.",
            option="batch_size" if needs // batch <= there else "output_size",
        )


def _layer_values(size: tuple[int, int], facts: ModelFacts) -> int:
    """How many values one layer of the denoiser holds for one picture: a U-Net's first, a transformer's any."""
    config = facts.config(facts.denoiser)
    if "block_out_channels" in config:
        _, _, height, width = facts.space.shape_for(*size)
        return int(config["block_out_channels"][0]) * height * width
    heads, each = config.get("num_attention_heads") or 1, config.get("attention_head_dim") or 1
    return int(heads) * int(each) * (size[0] // 16) * (size[1] // 16)
