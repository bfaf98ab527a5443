"""The clean estimate that a model's output stands for, by prediction type and scheduler."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.engine.schedule.table import MIDPOINT, OWN_OUTPUT
from jupyter_latents.latents.facts import Noise
from jupyter_latents.latents.forms import convert

__all__ = ["denoised"]


def denoised(scheduler: Any, index: int, model_output: torch.Tensor, sample: torch.Tensor) -> torch.Tensor | None:
    """The clean estimate x0 that a model output stands for.

    Args:
        scheduler: A scheduler after ``set_timesteps``.
        index: Timestep index of the step.
        model_output: What the model predicted, shape of `sample`.
        sample: The latents before the step.

    Returns:
        x0, or None where the prediction type is not known. Equations: Karras et al. 2022 (VE), Salimans and Ho 2022
        (v), Liu et al. 2022 (flow), Song et al. 2023 (consistency).
    """
    kind = OWN_OUTPUT.get(type(scheduler).__name__) or scheduler.config.get("prediction_type", "epsilon")
    noise = _evaluated_at(scheduler, index)
    if noise.form == "flow":
        kind = "flow_prediction"
    elif hasattr(scheduler, "precondition_outputs") and kind != "sample":
        kind = "preconditioned"
    if model_output.shape != sample.shape or kind not in _ESTIMATES or math.isinf(noise.sigma):
        return _from_pure_noise(noise, kind, model_output, sample)
    estimate: torch.Tensor = _ESTIMATES[kind](scheduler, noise, model_output.float(), sample.float())
    return estimate


def _evaluated_at(scheduler: Any, index: int) -> Noise:
    """The level at which the model is asked at a timestep index: between two whole steps not always the next one's."""
    noise = schedulers.level(scheduler, index)
    if type(scheduler).__name__ not in MIDPOINT or index % int(scheduler.order) == 0:
        return noise
    return Noise(math.sqrt(noise.sigma * schedulers.level(scheduler, index - 1).sigma), noise.form, noise.timestep)


def _from_pure_noise(noise: Noise, kind: str, model_output: torch.Tensor, sample: torch.Tensor) -> torch.Tensor | None:
    """The estimate at infinite sigma, which a prediction of the noise alone does not have."""
    if model_output.shape != sample.shape:
        return None
    if kind == "flow_prediction":
        return sample.float() - noise.flow_sigma * model_output.float()
    return {"sample": model_output.float(), "v_prediction": -model_output.float()}.get(kind)


def _exploding(noise: Noise, sample: torch.Tensor) -> torch.Tensor:
    return convert(sample, noise.sigma, noise.form, "ve")


def _of_velocity(_scheduler: Any, noise: Noise, output: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    variance = noise.sigma**2 + 1
    return _exploding(noise, sample) / variance - output * (noise.sigma / math.sqrt(variance))


def _of_consistency(scheduler: Any, noise: Noise, output: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    skip, out = scheduler.get_scalings_for_boundary_condition(noise.sigma)
    estimate: torch.Tensor = skip * sample + out * output
    return estimate


_ESTIMATES: Mapping[str, Callable[[Any, Noise, torch.Tensor, torch.Tensor], torch.Tensor]] = MappingProxyType(
    {
        "flow_prediction": lambda _, noise, output, sample: sample - noise.flow_sigma * output,
        "sample": lambda _, __, output, ___: output,
        "preconditioned": lambda scheduler, noise, output, sample: scheduler.precondition_outputs(
            sample, output, noise.sigma
        ),
        "epsilon": lambda _, noise, output, sample: _exploding(noise, sample) - noise.sigma * output,
        "v_prediction": _of_velocity,
        "consistency": _of_consistency,
    }
)
"""Prediction type to the clean estimate of (scheduler, level, model output, latents)."""
