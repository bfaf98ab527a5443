"""How much a denoiser has places for: its position embeddings end somewhere, along each side, in time and in texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.models.facts import DENOISERS, ModelFacts
from jupyter_latents.engine.models.parts import PartSource, with_defaults
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Size, Stage
from jupyter_latents.wording import option

__all__ = ["check_places", "check_tokens"]

_TABLE = 4096
"""Numbers of diffusers' table for Qwen-Image, to either side of the middle; texts stand behind the picture in it."""
_TEXT = 512
"""Tokens of a text in Qwen-Image's pipeline where nobody says."""


def _side(config: Mapping[str, Any], _stage: Stage) -> tuple[int, ...]:
    side = config.get("pos_embed_max_size")
    return () if side is None or config.get("use_pos_embed") is False else (side, side)


def _square(config: Mapping[str, Any], _stage: Stage) -> tuple[int, ...]:
    side = math.isqrt(config["pos_embed_max_size"])
    return side, side


def _axes(config: Mapping[str, Any], _stage: Stage) -> tuple[int, ...]:
    _, high, wide = config["axes_lens"]
    return high, wide


def _each(config: Mapping[str, Any], _stage: Stage) -> tuple[int, ...]:
    return (config["rope_max_seq_len"],) * 3


def _before_text(_config: Mapping[str, Any], stage: Stage) -> tuple[int, ...]:
    return (2 * (_TABLE - (stage.max_sequence_length or _TEXT)),) * 2


_PLACES: Mapping[str, Callable[[Mapping[str, Any], Stage], tuple[int, ...]]] = MappingProxyType(
    {
        "AuraFlowTransformer2DModel": _square,
        "CogView3PlusTransformer2DModel": _side,
        "Lumina2Transformer2DModel": _axes,
        "OmniGenTransformer2DModel": _side,
        "QwenImageTransformer2DModel": _before_text,
        "SD3ControlNetModel": _side,
        "SD3Transformer2DModel": _side,
        "SkyReelsV2Transformer3DModel": _each,
        "WanTransformer3DModel": _each,
        "ZImageTransformer2DModel": _axes,
    }
)
"""Class to the patches that it has places for: in height and width, before these in time where it counts it too."""


_IN_A_ROW = frozenset({"AuraFlowTransformer2DModel"})


def check_places(stage: Stage, given: Given, facts: ModelFacts, size: tuple[int, int], frames: int) -> None:
    """Sees that what a stage makes is not larger than its denoiser, and each ControlNet, has places for.

    Args:
        stage: What is asked for.
        given: What goes into it.
        facts: Its model's.
        size: (width, height) in pixels.
        frames: Frames of a clip; 1 for pictures.

    Raises:
        ModelError: It is.
    """
    made = facts.space.shape_for(*size, 1, frames)
    for part, most in _limits(stage, facts):
        lengths = made[-len(most) :]
        fits = all(length <= limit for length, limit in zip(lengths, most, strict=True))
        if part.class_name in _IN_A_ROW:
            fits = _is_in_row(lengths, with_defaults(part, part.name))
        if not fits:
            *time, high, wide = most
            factor = facts.space.factor
            largest = f"pictures of at most {Size(wide * factor, high * factor)} pixels"
            if time and facts.space.moves:
                longest = facts.space.frames_of((1, facts.space.channels, time[0], high, wide))
                largest = f"at most {longest} frames of {Size(wide * factor, high * factor)} pixels"
            shown = f"{Size(*size)} pixels" + (f" in {frames} frames" if facts.space.moves else "")
            raise ModelError(
                f"the {part.name} of {stage.model.name} has places (position embeddings) for {largest}, and this is "
                f"to be {shown}. {_way(stage, given)}",
                option="output_size" if stage.size is not None else None,
            )


def _limits(stage: Stage, facts: ModelFacts) -> Iterator[tuple[PartSource, tuple[int, ...]]]:
    """Parts to the most latent pixels that they have places for, in height and width and before these in time."""
    denoisers = (facts.sources[name] for name in DENOISERS if name in facts.sources)
    for part in (*denoisers, *facts.further.values()):
        if part.class_name not in _PLACES:
            continue
        config = with_defaults(part, f"{part.name} of {stage.model.name}")
        try:
            places = _PLACES[part.class_name](config, stage)
        except (TypeError, ValueError):
            places = (0, 0)
        if not places:
            continue
        *time, patch = _patches(config)
        if not all(isinstance(number, int) and number > 0 for number in (*places, *time, patch)):
            raise _damaged(part, stage)
        yield part, (*(length * time[0] for length in places[:-2]), *(length * patch for length in places[-2:]))


def _damaged(part: PartSource, stage: Stage) -> ModelError:
    return ModelError(
        f"the config.json of the {part.name} of {stage.model.name} says its positions or patches in no numbers that "
        "such a model has; fetch it again."
    )


def _is_in_row(lengths: Sequence[int], config: Mapping[str, Any]) -> bool:
    """Whether a picture finds its places in the middle of a square whose rows stand one behind the other.

    One that is wider than the square reaches into the next row there, as in diffusers.
    """
    patch, count = int(_patches(config)[1]), int(config["pos_embed_max_size"])
    side = math.isqrt(count)
    high, wide = (length // patch for length in lengths)
    top, left = side // 2 - high // 2, side // 2 - wide // 2
    first, last = top * side + left, (top + high - 1) * side + left + wide - 1
    return first >= -count and last < count


def _patches(config: Mapping[str, Any]) -> tuple[Any, Any]:
    """Latent pixels of a patch, in time and along each side, as they are written."""
    found, several = config.get("patch_size"), config.get("all_patch_size")
    if isinstance(several, (list, tuple)) and several:
        return 1, several[-1]
    if isinstance(found, (list, tuple)) and len(found) == 3:
        return found[0], found[-1]
    return 1, found


def _way(stage: Stage, given: Given) -> str:
    if given.latents:
        return "Make the latents smaller with resize() or crop()."
    decides = " The picture decides it here." if given.images and not stage.size else ""
    return f"Give a smaller {option('output_size')}.{decides}"


def check_tokens(stage: Stage, facts: ModelFacts) -> None:
    """Sees that a stage has texts read to a length that its pipeline, tokenizer and denoiser have.

    Args:
        stage: What is asked for.
        facts: Its model's.

    Raises:
        ModelError: It does not.
    """
    asked = stage.max_sequence_length
    if asked is None:
        return
    least, most = _fewest(facts), min((facts.family.tokens, *_readable(stage, facts)))
    if not least <= asked <= most:
        raise ModelError(
            f"{option('max_sequence_length')} is {asked}, and {stage.model.name} ({facts.family.name}) reads {least} "
            f"to {most} tokens of a prompt. Give such a number, or leave it out.",
            option="max_sequence_length",
        )


def _fewest(facts: ModelFacts) -> int:
    """The fewest tokens of a text: those that begin and end it, which CLIP's tokenizer never leaves out."""
    last = max((name for name in facts.sources if name.startswith("tokenizer")), default="")
    return 2 if last and facts.sources[last].class_name.startswith("CLIP") else 1


def _readable(stage: Stage, facts: ModelFacts) -> Iterator[int]:
    """The most tokens before which a denoiser has a place for a picture, where both stand on one axis."""
    part = facts.sources[facts.denoiser]
    axes = with_defaults(part, f"{part.name} of {stage.model.name}").get("axes_lens")
    if not isinstance(axes, (list, tuple)) or not axes or not isinstance(axes[0], int):
        return  # what is damaged is told where the size is judged
    if part.class_name == "Lumina2Transformer2DModel":
        yield axes[0] - 1
    elif part.class_name == "ZImageTransformer2DModel":
        yield (axes[0] - 2) // 32 * 32  # texts are filled up to multiples of 32
