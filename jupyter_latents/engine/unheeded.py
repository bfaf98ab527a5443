"""What a stage is asked for that has no effect on it, in words: nothing is left aside in silence."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_latents.engine.given.inputs import Call
from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.stage import Size

__all__ = ["unheeded"]


def unheeded(call: Call, latents: Standing | None) -> tuple[str, ...]:
    """What is asked for and has no effect.

    Args:
        call: What the pipeline's call is made for.
        latents: The latents that enter its schedule; None without.
    """
    return (*_numbers(call, latents), *_pictures(call, latents))


def _numbers(call: Call, latents: Standing | None) -> Iterator[str]:
    stage = call.stage
    if stage.strength is not None and not call.given.images:
        beside = "beside latents, which carry their noise" if latents is not None else "without a picture"
        yield f"strength {stage.strength:g} has no effect {beside}"
    if latents is not None and stage.batch_size not in (1, latents.shape[0]):
        yield f"batch size {stage.batch_size} has no effect beside latents, which are {latents.shape[0]}"


def _pictures(call: Call, latents: Standing | None) -> Iterator[str]:
    sizes = dict.fromkeys(call.given.images)
    made = Size(*call.size)
    if len(sizes) > 1:
        shown = ", ".join(str(Size(*size)) for size in sizes)
        yield f"pictures of {shown} are brought to one size, {made}"
    elif latents is not None and sizes and call.size not in sizes:
        yield f"the picture of {Size(*next(iter(sizes)))} is brought to the size of the latents, {made}"
