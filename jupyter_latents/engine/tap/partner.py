"""The sound of a clip: latents beside those of the pictures, which a copy of the scheduler steps."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch

from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.schedule import schedulers, state
from jupyter_latents.engine.tap.states import Generators
from jupyter_latents.errors import HandoffError
from jupyter_latents.latents.facts import StateValue
from jupyter_latents.latents.sound import KEY, LATENTS
from jupyter_latents.wording import option

__all__ = ["Partner", "PartnerScheduler"]


class Partner:
    """What a run knows of its sound; empty where its pipeline makes none.

    It travels with the state of the scheduler that steps the pictures, under a name of its own.
    """

    def __init__(self) -> None:
        self.scheduler: Any = None
        self._prepared: torch.Tensor | None = None
        self._latents: torch.Tensor | None = None
        self._baseline = state.Baseline()
        self._given: Mapping[str, Any] | None = None

    def prepared(self, latents: torch.Tensor) -> torch.Tensor:
        """The pipeline has prepared its latents of sound; those that it shall start from, whose values may come later.

        Args:
            latents: (batch, tokens, channels).
        """
        self._prepared = latents.clone()
        return self._prepared

    def deliver(self, given: Mapping[str, StateValue] | None) -> None:
        """The schedule is known: puts in what an earlier run left.

        Args:
            given: That run's state of the scheduler, or None.

        Raises:
            HandoffError: It is of another length.
        """
        self._given = given.get(KEY) if given is not None else None  # type: ignore[assignment]
        if self._prepared is None or self._given is None:
            return
        own = self._given[LATENTS]
        if own.shape != self._prepared.shape:
            raise HandoffError(
                f"the sound of these latents has shape {tuple(own.shape)}, and this run's "
                f"{tuple(self._prepared.shape)}. Leave out {option('fps')} and {option('num_frames')}, or give those "
                "of the latents.",
                option="fps",
            )
        self._prepared.copy_(own)

    def before_step(self) -> None:
        """Gives its scheduler the earlier state once, before its first step."""
        if self._latents is not None:
            return
        self._baseline = state.baseline(self.scheduler)
        if self._given is not None and self._prepared is not None:
            own = {name: value for name, value in self._given.items() if name != LATENTS}
            state.restore(self.scheduler, own, self._prepared.device)

    def stepped(self, latents: torch.Tensor) -> None:
        """Its scheduler has stepped.

        Args:
            latents: What came of it.
        """
        self._latents = latents

    def beside(self, own: Mapping[str, StateValue] | None) -> Mapping[str, StateValue] | None:
        """The state of the scheduler that steps the pictures, with the sound beside it.

        Args:
            own: That state; None where it cannot travel.
        """
        if self._latents is None or own is None:
            return own
        history = state.of(self.scheduler, self._baseline)
        if history is None:
            return None
        sound = MappingProxyType({LATENTS: self._latents.detach().clone(), **history})
        return MappingProxyType({**own, KEY: sound})


class PartnerScheduler:
    """What a pipeline sees as the copy of its scheduler that steps the sound.

    Args:
        partner: Who is told.
        real: The scheduler that the pipeline wants a copy of.
        offset: Gives the timestep index at which the window starts.
        generator: The run's, for schedulers that draw: pipelines pass none.
    """

    def __init__(self, partner: Partner, real: Any, offset: Any, generator: Generators) -> None:
        own = copy.deepcopy(real)
        draws = "generator" in parameters_of(own.step)
        partner.scheduler = own

        @functools.wraps(own.set_timesteps)
        def set_timesteps(*args: Any, **kwargs: Any) -> None:
            if isinstance(kwargs.get("sigmas"), list):
                kwargs["sigmas"] = schedulers.custom_sigmas(own, kwargs["sigmas"])
            own.set_timesteps(*args, **kwargs)

        @functools.wraps(own.step)
        def step(*args: Any, **kwargs: Any) -> Any:
            partner.before_step()
            if draws:
                kwargs.setdefault("generator", generator)
            made = own.step(*args, **kwargs)
            partner.stepped(made[0] if isinstance(made, tuple) else made.prev_sample)
            return made

        self._own, self.set_timesteps, self.step = own, set_timesteps, step
        self.set_begin_index = lambda begin_index=0: own.set_begin_index(offset() + begin_index)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)
