"""How option values are written, the way back from `parsers`, and the values that fill more than one field.

Each writer takes the value of the option's field and the stage that it is from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from jupyter_latents.stage import ImageSeed, Stage
from jupyter_latents.syntax.prompts import split_prompt, split_weighter
from jupyter_latents.syntax.seeds import format_seed

__all__ = [
    "Filler", "Writer", "fill_further_prompt", "fill_prompt", "fill_sigmas", "further_prompt",
    "image_seed", "plain", "prompt", "sigmas",
]  # fmt: skip

Writer: TypeAlias = Callable[[Any, Stage], str]
Filler: TypeAlias = Callable[[Any], Mapping[str, Any]]


def plain(value: object, _stage: Stage | None = None) -> str:
    """One value; numbers as short as reads back the same."""
    short = isinstance(value, float) and float(f"{value:.15g}") == value
    return f"{value:.15g}" if short else str(value)


def image_seed(value: ImageSeed, _stage: Stage) -> str:
    """All parts of an image seed."""
    return format_seed(value)


def sigmas(value: tuple[float, ...] | str, _stage: Stage) -> str:
    """All sigmas in one word, or the expression that makes them."""
    if isinstance(value, str):
        return value
    return ",".join(map(plain, value))


def fill_sigmas(value: tuple[float, ...] | str) -> Mapping[str, Any]:
    """The sigmas, and the number of steps that they make; an expression is worked out of that many as are given."""
    if isinstance(value, str):
        return {"sigmas": value}
    return {"sigmas": value, "num_inference_steps": max(1, sum(sigma > 0 for sigma in value))}


def prompt(positive: str, _stage: Stage) -> str:
    """The first prompt without its negative, which has an option of its own."""
    return positive.replace(";", "\\;")


def fill_prompt(text: str) -> Mapping[str, Any]:
    """The first prompt and its negative, and what reads weights in them where its head says so."""
    positive, negative = split_prompt(text)
    weighter, positive = split_weighter(positive)
    values = {"prompt.positive": positive, "prompt.negative": negative or ""}
    return {**values, "prompt.weighter": weighter} if weighter else values


def further_prompt(name: str) -> Writer:
    """Writes the prompt of a further text encoder with its negative.

    Args:
        name: The encoder, ``second`` or ``third``.
    """

    def write(positive: str, stage: Stage) -> str:
        negative = getattr(stage.prompt, f"{name}_negative")
        return prompt(positive, stage) if negative is None else _pair(positive, negative)

    return write


def fill_further_prompt(name: str) -> Filler:
    """Fills the prompt of a further text encoder and its negative.

    Args:
        name: The encoder, ``second`` or ``third``.
    """

    def fill(text: str) -> Mapping[str, Any]:
        positive, negative = split_prompt(text)
        return {f"prompt.{name}": positive, f"prompt.{name}_negative": negative}

    return fill


def _pair(positive: str, negative: str) -> str:
    """The "positive; negative" form, of which there are two where the positive ends with a backslash or a quote."""
    text = positive.replace(";", "\\;")
    ways = [f"{text}; {hidden}" for hidden in (negative, negative.replace(";", "\\;"))]
    ways += [f"{text} ; {hidden}" for hidden in (negative, negative.replace(";", "\\;"))]
    # No quoted part ends before a no-break space, which is white space all the same.
    ways += [f"{way}\u00a0" for way in ways]
    return next((way for way in ways if split_prompt(way) == (positive, negative)), ways[0])
