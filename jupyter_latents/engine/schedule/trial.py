"""A schedule tried on a single number before any weights load: whether its steps make numbers at all."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, field
from typing import Any

import torch

from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.schedule.table import FORMS, SCHEDULER_ERRORS
from jupyter_latents.errors import ModelError, cause
from jupyter_latents.wording import option

__all__ = ["check_steps", "stepped_dtype"]

_WHOLE_STEPS = 4  # at either end: more than any solver's order
_BY_ZERO = "divides by zero (NaN)"
_CHANNELS = 4  # of latents: schedulers that divide a learned variance off leave the three of a picture


@dataclass(frozen=True)
class _Trial:
    """What is tried; known by the digest of its schedule."""

    schedule: str
    start: int
    end: int
    scheduler: Any = field(compare=False)


def check_steps(scheduler: Any, schedule: str, start_index: int, end_index: int) -> None:
    """Raises where a scheduler's steps make values that are no numbers, or fail, whatever a model says.

    Args:
        scheduler: A scheduler after ``set_timesteps``; it is copied, not stepped.
        schedule: Digest of its schedule.
        start_index: Timestep index of the first step that runs.
        end_index: Timestep index after the last.

    Raises:
        ModelError: They do, with the step.
    """
    name = type(scheduler).__name__
    if name not in FORMS:
        return
    wrong = _wrong(_Trial(schedule, start_index, end_index, scheduler))
    if wrong:
        by_zero = wrong.endswith(_BY_ZERO) and "final_sigmas_type" in scheduler.config
        final = ", final_sigmas_type=sigma_min" if by_zero else ""
        raise ModelError(
            f"{name} with these settings cannot run this schedule: {wrong}. Leave settings out, try others{final}, or "
            f"use another {option('schedulers')}.",
            option="schedulers",
        )


@functools.lru_cache(maxsize=256)
def _wrong(trial: _Trial) -> str:
    """What goes wrong at the first or the last steps, or an empty string."""
    order = int(trial.scheduler.order)
    length = _WHOLE_STEPS * order
    first = max(0, trial.start - length)  # with as much history as there may be
    last = max(first, -(-trial.end // order) * order - length)  # whole steps, of which the last may be half
    for start, end in ((first, trial.start + length), (last, trial.end)):
        found = _walked(copy.deepcopy(trial.scheduler), start, min(end, trial.end))
        if found:
            return found
    return ""


def _walked(scheduler: Any, start: int, end: int) -> str:
    """What goes wrong from one timestep index to another, or an empty string."""
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    extra = _extra(scheduler)
    value = torch.full((1, _CHANNELS, 1, 1), 0.5)
    for index in range(start, end):
        timestep = scheduler.timesteps[index]
        try:
            scaled = scheduler.scale_model_input(value, timestep) if hasattr(scheduler, "scale_model_input") else value
            value = scheduler.step(0.5 * scaled, timestep, value, **extra).prev_sample
        except SCHEDULER_ERRORS as error:
            return f"its step {index + 1} fails ({cause(error)})"
        if not bool(torch.isfinite(value).all()):
            return f"its step {index + 1} of {len(scheduler.timesteps)} {_BY_ZERO}"
    return ""


def _extra(scheduler: Any) -> dict[str, Any]:
    draws = "generator" in parameters_of(scheduler.step)
    return {"generator": torch.Generator().manual_seed(0)} if draws else {}


def stepped_dtype(scheduler: Any, index: int, sample: torch.dtype, said: torch.dtype) -> torch.dtype:
    """The dtype that a scheduler's step gives.

    Args:
        scheduler: A scheduler after ``set_timesteps``; it is copied, not stepped.
        index: Timestep index of the step.
        sample: Dtype of what is stepped.
        said: Dtype of what the denoiser says.
    """
    tried = copy.deepcopy(scheduler)
    if hasattr(tried, "set_begin_index"):
        tried.set_begin_index(index)
    outcome, value = (torch.zeros(1, 1, 1, 1, dtype=one, device=tried.timesteps.device) for one in (said, sample))
    try:
        stepped: torch.Tensor = tried.step(outcome, tried.timesteps[index], value, **_extra(tried)).prev_sample
    except SCHEDULER_ERRORS:
        return sample
    return stepped.dtype
