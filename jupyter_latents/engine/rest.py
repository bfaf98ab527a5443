"""A stage goes on from steps that are known of it, as one result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_latents.engine.result import StageResult
from jupyter_latents.stage import Stage, Window

if TYPE_CHECKING:
    from jupyter_latents.engine.given.inputs import Inputs
    from jupyter_latents.latents.value import Latents

__all__ = ["run_rest"]


def run_rest(
    known: StageResult, stage: Stage, inputs: Inputs, go: Callable[[Stage, Inputs], StageResult]
) -> StageResult:
    """A stage's result, its last steps run after those that are known.

    Args:
        known: The stage as far as it is known; its latents have what is needed to go on exactly.
        stage: What is asked for.
        inputs: Its resolved inputs.
        go: Runs a stage.
    """
    rest = replace(stage, window=Window(None, stage.window.end), latents_processors=())
    kept = inputs.pasted[len(inputs.pasted) - len(rest.pasted) :]
    result = go(rest, replace(inputs, latents=(known.latents,), pasted=kept))
    made = replace(result.latents.provenance, parents=known.latents.provenance.parents)
    model = result.latents.position.model if result.latents.position is not None else ""

    def own(step: Latents) -> Latents:
        if step.position is None or step.position.step <= known.span.start:
            return step
        return step.replace(provenance=made, position=replace(step.position, model=model))

    trajectory = tuple(map(own, result.latents.trajectory))
    return replace(
        result,
        latents=result.latents.replace(provenance=made, trajectory=trajectory),
        span=replace(result.span, start=known.span.start, repeats=known.span.repeats),
        evaluations=known.evaluations + result.evaluations,
        start=known.start,
    )
