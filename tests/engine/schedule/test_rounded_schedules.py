"""Schedulers that compute timesteps on the device: an accelerator's logarithm is not the CPU's to the last bit."""

from __future__ import annotations

import functools
from typing import Any

import diffusers
import pytest

from jupyter_latents.errors import RunError
from jupyter_latents.stage import Window
from tests.engine.cases import Bench, equal


def rounded(scheduler_class: type, monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """Has what a pipeline sets computed a little otherwise than what is planned, as on an accelerator."""
    real = scheduler_class.set_timesteps  # type: ignore[attr-defined]

    @functools.wraps(real)
    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        if kwargs.get("device") is not None:
            self.timesteps = self.timesteps * factor

    monkeypatch.setattr(scheduler_class, "set_timesteps", set_timesteps)


@pytest.mark.parametrize("name", ["KDPM2DiscreteScheduler", "EDMEulerScheduler"])
def test_a_schedule_that_a_device_rounds_otherwise_is_the_planned_one(
    bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounded(getattr(diffusers, name), monkeypatch, 1 + 1e-6)
    whole = bench.run("sd15", scheduler=name)
    half = bench.run("sd15", scheduler=name, window=Window(None, 0.5)).latents
    rest = bench.run("sd15", "txt2img", half, scheduler=name, window=Window(0.5, None))
    assert equal(rest, whole)
    assert whole.latents.position.schedule == half.position.schedule == rest.latents.position.schedule


def test_another_schedule_than_planned_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    rounded(diffusers.KDPM2DiscreteScheduler, monkeypatch, 1.001)
    with pytest.raises(RunError, match="set another schedule than was planned"):
        bench.run("sd15", scheduler="KDPM2DiscreteScheduler")
