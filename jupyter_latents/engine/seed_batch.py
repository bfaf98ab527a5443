"""Several seeds of one stage as one batch: each item draws from a generator of its own, as if it ran alone.

Kernels round by the size of a batch, so on most devices the latents are those of single runs up to the last bits only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch

from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.result import StageResult
from jupyter_latents.engine.stage_run import StageRun, Watch, Weights
from jupyter_latents.engine.tap.states import StepState
from jupyter_latents.stage import Stage

__all__ = ["run_batch"]


def run_batch(stages: Sequence[Stage], weights: Weights, watch: Watch) -> list[StageResult]:
    """Runs stages that differ in their seeds alone as one batch.

    Args:
        stages: The stages.
        weights: What they run on.
        watch: Who watches the whole batch.

    Returns:
        A result for each stage, which can be continued alone.
    """
    whole = replace(stages[0], batch_size=len(stages), batch_seeds=False)  # it is the batch, and is told nothing of one
    together = StageRun(prepare(whole, facts=weights.model.facts), Inputs(), weights, watch)
    together.generator = [torch.Generator("cpu").manual_seed(stage.seed or 0) for stage in stages]
    together.steps()
    results = []
    for number, stage in enumerate(stages):
        alone = StageRun(prepare(stage, facts=weights.model.facts), Inputs(), weights, watch)
        alone.made.done = replace(
            together.done, states=[_item(state, number, len(stages)) for state in together.done.states]
        )
        results.append(alone.result())
    return results


def _item(state: StepState, number: int, count: int) -> StepState:
    """What a step of the whole batch is for one of its items."""
    like, own = state.latents, slice(number, number + 1)
    return StepState(
        state.index,
        like[own].clone(),
        None if state.denoised is None else state.denoised[own].clone(),
        None if state.scheduler is None else _part(state.scheduler, own, count, like.dim()),
        state.generator[number],
    )


def _part(value: Any, own: slice, count: int, dimensions: int) -> Any:
    """One item's share of a scheduler's state: of tensors shaped as the latents are its rows, of all else the whole."""
    if isinstance(value, torch.Tensor):
        return value[own].clone() if value.dim() == dimensions and len(value) == count else value
    if isinstance(value, Mapping):
        return MappingProxyType({name: _part(part, own, count, dimensions) for name, part in value.items()})
    if isinstance(value, (list, tuple)):
        return type(value)(_part(part, own, count, dimensions) for part in value)
    return value
