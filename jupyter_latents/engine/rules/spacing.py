"""Settings of a scheduler that space its noise levels, beside levels of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.schedule import schedulers, timesteps
from jupyter_latents.stage import Stage, address_of

__all__ = ["idle_spacings"]

_SPACINGS = frozenset({"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas"})


def idle_spacings(stage: Stage, facts: ModelFacts, scheduler: Any, request: timesteps.Request) -> Iterator[str]:
    """What is to be told of settings that change no level; some schedulers space given levels anew, others do not.

    Args:
        stage: What is asked for.
        facts: Its model's.
        scheduler: The stage's, with its timesteps.
        request: What these were made for.
    """
    address = address_of(stage.scheduler, "schedulers")
    if stage.levels is None or address is None:
        return
    for key, text in address.settings.items():
        name = key.replace("-", "_")
        if name not in _SPACINGS or not scheduler.config.get(name):
            continue
        without = replace(address, settings={**address.settings, key: "false"})
        other = schedulers.build(without, *facts.scheduler, seed=stage.seed or 0)
        timesteps.set_timesteps(other, facts.family.schedule, request)
        if torch.equal(scheduler.sigmas, other.sigmas) and torch.equal(scheduler.timesteps, other.timesteps):
            yield f"{key}={text} of the scheduler changes nothing beside sigmas of one's own"
