"""Runs with prompts on tiny models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.prepare import Prepared, prepare
from jupyter_latents.engine.result import StageResult
from jupyter_latents.latents import Latents
from jupyter_latents.stage import Prompt, Window
from tests.engine.cases import Bench, inputs

__all__ = ["FAMILIES", "a1111", "by_hand", "prepared", "run"]

FAMILIES = ("sd15", "sdxl", "sd3", "flux")


def a1111(positive: str, negative: str = "", **more: Any) -> Prompt:
    """A prompt that A1111's grammar reads."""
    return Prompt(positive, negative, weighter="a1111", **more)


def run(
    bench: Bench, family: str, prompt: Prompt, *latents: Latents, mode: str = "txt2img", **options: Any
) -> StageResult:
    """Runs a stage with a prompt."""
    stage = replace(bench.stage(family, **options), prompt=prompt)
    return bench.engine.run(stage, inputs(mode, *latents))


def prepared(bench: Bench, family: str, prompt: Prompt, mode: str = "txt2img", **options: Any) -> Prepared:
    """What a stage with a prompt will do."""
    return prepare(replace(bench.stage(family, **options), prompt=prompt), Given.of(inputs(mode)))


def by_hand(
    bench: Bench,
    family: str,
    texts: list[tuple[int, Prompt]],
    carry: Any = lambda latents: latents,
    mode: str = "txt2img",
    **options: Any,
) -> list[StageResult]:
    """The stages that a person would write: each text to the step after its last, by ``--denoising-end``."""
    made: list[StageResult] = []
    whole = prepared(bench, family, texts[0][1], mode, **options)
    for end, prompt in texts:
        given = [carry(made[-1].latents)] if made else []
        made.append(run(bench, family, prompt, *given, mode=mode, window=Window(None, fraction(whole, end)), **options))
        assert made[-1].span.end == end
    return made


def fraction(whole: Prepared, end: int) -> float | None:
    """The fraction of ``--denoising-end`` that means a step."""
    span, scheduler = whole.span, whole.scheduler
    if end == span.of:
        return None
    if whole.facts.family.fraction == "steps":
        return end / span.of + 1e-9
    last = float(scheduler.timesteps[span.index(end) - 1])
    return 1 - last / scheduler.config.num_train_timesteps
