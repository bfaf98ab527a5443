"""What a stage is asked for that does nothing, or perhaps not what was meant: told, not refused."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_latents.engine.given.inputs import Call
from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.memory import device_of
from jupyter_latents.engine.rules.passes import passes_a_step
from jupyter_latents.engine.rules.words import words_remark
from jupyter_latents.engine.schedule.strength import renoises
from jupyter_latents.points import largest_scale
from jupyter_latents.processing import AND, keeps_grey
from jupyter_latents.stage import ModelSource, Size, Stage

__all__ = ["remarks"]


def remarks(call: Call, facts: ModelFacts, latents: Standing | None, *, noised: bool) -> tuple[str, ...]:
    """What is to be told of a stage beside how latents enter it.

    Args:
        call: What its pipeline's call is made for.
        facts: Its model's.
        latents: The latents that enter its schedule; None without.
        noised: Whether a picture is noised to the stage's strength.
    """
    own = (_guidance(call.stage, facts), *_unguided(call.stage, facts), _strength(call) if noised else "")
    own = (*own, words_remark(call.stage, facts), _slow(call.stage.model))
    return tuple(filter(None, (*_numbers(call, latents), *_pictures(call, latents), *own)))


def _slow(model: ModelSource) -> str:
    """That a processor computes in float16 at a hundredth of its speed: 99 times the float32 time in a convolution."""
    if model.dtype != "float16" or device_of(model.device).type != "cpu":
        return ""
    return "float16 is slow on a CPU, often a hundred times slower than float32; leave the dtype out here"


def _guidance(stage: Stage, facts: ModelFacts) -> str:
    """That guidance asked for plays no part, in models that were distilled without any."""
    usual = () if stage.guidance_asked else (Stage(model=stage.model).guidance_scale,)
    if stage.guidance_scale in (*usual, 0.0, 1.0) or not facts.ignores_guidance:
        return ""
    name, scale = stage.model.name, stage.guidance_scale
    return f"{name} was distilled without guidance: a guidance scale of {scale:g} changes nothing"


def _unguided(stage: Stage, facts: ModelFacts) -> Iterator[str]:
    """What only guidance heeds, where no step has any."""
    if facts.family.guided_above is None or passes_a_step(stage, facts) > 1:
        return
    prompt, scale = stage.prompt, largest_scale(stage.guidance_scale)
    why = "the model takes the scale as an input" if scale > facts.family.guided_above else f"the scale is {scale:g}"
    if prompt.negative or prompt.second_negative or prompt.third_negative:
        yield f"the negative prompt changes nothing without guidance: {why}"
    if stage.guidance_rescale:
        yield f"guidance rescale {stage.guidance_rescale:g} changes nothing without guidance: {why}"


def _strength(call: Call) -> str:
    """That nothing of a picture is left where all of it is noise."""
    if call.mode != "img2img" or call.strength < 1.0:
        return ""
    return (
        f"strength {call.strength:g} begins with noise alone, so hardly anything of the picture is kept; 0.8 keeps its "
        "composition"
    )


def _numbers(call: Call, latents: Standing | None) -> Iterator[str]:
    stage = call.stage
    pictured = bool(call.given.images)
    taken = renoises(stage, latents, pictures=pictured)
    if pictured:
        taken = latents is None or stage.strength == call.strength
    if stage.strength is not None and not taken:
        beside = "beside latents, which carry their noise" if latents is not None else "without a picture"
        yield f"strength {stage.strength:g} has no effect {beside}"
    if stage.latents_processors and stage.image_seed is not None and not call.given.latents:
        yield "latents processors change nothing: no latents are given"
    count, several = len(call.given.latents), 1 + sum(link.name == AND for link in stage.latents_processors)
    if stage.latents_processors and several < count:
        yield (
            f"latents processors change {several} of {count} latents, as in dgenerate; a + begins the chain of the next"
        )
    if latents is not None and stage.batch_size not in (1, latents.shape[0]):
        yield f"batch size {stage.batch_size} has no effect beside latents, which are {latents.shape[0]}"


def _pictures(call: Call, latents: Standing | None) -> Iterator[str]:
    sizes = dict.fromkeys(call.given.images)
    made = Size(*call.size)
    if call.given.grey and keeps_grey(call.stage.mask_image_processors):
        percent = max(1, round(100 * call.given.grey))
        yield (
            f"{percent} % of the mask's pixels are grey, and diffusers rounds masks at 0.5: "
            "128 of 255 and above is painted anew, all else is kept. Differential masks are not there yet"
        )
    if 1 < call.frames < len(call.given.images):
        yield f"the first {call.frames} of {len(call.given.images)} frames are used"
    if len(sizes) > 1:
        shown = ", ".join(str(Size(*size)) for size in sizes)
        yield f"pictures of {shown} are brought to one size, {made}"
    elif latents is not None and sizes and call.size not in sizes:
        yield f"the picture of {Size(*next(iter(sizes)))} is brought to the size of the latents, {made}"
    elif call.given.asked is not None and sizes and call.size not in sizes:
        yield f"the picture is resized to {Size(*next(iter(sizes)))} by its seed and then to the size asked for, {made}"
