"""Whether a resume state is one that this run's scheduler could have had: files may be damaged, old or foreign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from jupyter_latents.engine.libraries.versions import versions
from jupyter_latents.engine.schedule.state import MOVED
from jupyter_latents.latents.facts import Resume
from jupyter_latents.latents.sound import KEY, LATENTS

__all__ = ["CHANGED", "NO_HISTORY", "objection"]

NO_HISTORY = "these latents carry no scheduler state"
CHANGED = "their values were changed in place since they were made"

_SETTABLE = (type(None), bool, int, float, list, tuple)


def objection(resume: Resume, scheduler: Any, start_index: int, shape: torch.Size | None = None) -> str:
    """Why a history cannot be used, or an empty string.

    Args:
        resume: What the latents carry.
        scheduler: The run's scheduler after ``set_timesteps``, before its first step.
        start_index: Timestep index at which the run enters.
        shape: Shape of the latents as the loop holds them; None where only the run knows it.
    """
    wrote = resume.versions.get("diffusers")
    if wrote is not None and wrote != versions()["diffusers"]:
        return f"it was written with diffusers {wrote}, this is {versions()['diffusers']}"
    if resume.generator is not None and not _is_generator_state(resume.generator):
        return "the state of its random generator is damaged"
    return _scheduler_objection(resume.scheduler, vars(scheduler), start_index, shape)


def _scheduler_objection(
    saved: Mapping[str, Any], fresh: Mapping[str, Any], start_index: int, shape: torch.Size | None
) -> str:
    for name, value in saved.items():
        if name == KEY and isinstance(value, Mapping):
            own = {inner: one for inner, one in value.items() if inner != LATENTS}
            if objected := _scheduler_objection(own, fresh, start_index, None):
                return objected
            continue
        if name == MOVED:
            if not _are_tables(value, fresh):
                return "it moves what is no table of the scheduler"
            continue
        now = fresh.get(name)
        if not isinstance(now, _SETTABLE):
            return f"it would overwrite the scheduler's {name}"
        if not _fits(value, now, shape):
            return f"its {name} is not of this run"
    index = saved.get("_step_index", start_index)
    return "" if index == start_index else f"it stands at timestep {index}, the latents at {start_index}"


def _are_tables(names: Any, fresh: Mapping[str, Any]) -> bool:
    return isinstance(names, (list, tuple)) and all(
        isinstance(name, str) and isinstance(fresh.get(name), torch.Tensor) for name in names
    )


def _fits(value: Any, now: Any, shape: torch.Size | None) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_fits(item, None, shape) for item in value)
    if isinstance(value, torch.Tensor):
        return value.dim() == 0 or shape is None or value.shape == shape
    return value is None or isinstance(value, (bool, int, float)) or isinstance(now, str)


def _is_generator_state(value: object) -> bool:
    sound = torch.Generator("cpu").get_state()
    return isinstance(value, torch.Tensor) and value.dtype == sound.dtype and value.shape == sound.shape
