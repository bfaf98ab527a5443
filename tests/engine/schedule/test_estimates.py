"""The clean estimate: of an exact model it is the clean signal, of any model what the scheduler itself takes it for."""

from __future__ import annotations

import math

import pytest
import torch

from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.engine.schedule.estimates import denoised
from tests.engine.schedule.test_schedulers import FLOW, clean, made, noise

SAYS_ITS_OWN = (
    "CogVideoXDDIMScheduler",
    "DDIMParallelScheduler",
    "DDIMScheduler",
    "DDPMParallelScheduler",
    "DDPMScheduler",
    "DPMSolverSDEScheduler",
    "EDMEulerScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
)
"""Schedulers whose step gives its clean estimate back as ``pred_original_sample``."""


@pytest.mark.parametrize(
    ("name", "prediction"),
    [
        *((name, kind) for name in ("EulerDiscreteScheduler", "DDIMScheduler") for kind in ("epsilon", "v_prediction")),
        ("DPMSolverMultistepScheduler", "epsilon"),
        ("DPMSolverMultistepScheduler", "sample"),
        ("FlowMatchEulerDiscreteScheduler", "epsilon"),
        (FLOW, "flow_prediction"),
    ],
)
def test_the_clean_estimate_of_an_exact_model_is_the_clean_signal(name: str, prediction: str) -> None:
    """Epsilon: Ho et al. 2020; v: Salimans and Ho 2022, v = alpha eps - sigma x0; flow: v = eps - x0."""
    scheduler = made(name, **({} if name == FLOW or "FlowMatch" in name else {"prediction_type": prediction}))
    x0, eps = clean(), noise()
    for index in range(1, len(scheduler.timesteps)):
        sigma, form = schedulers.level(scheduler, index).sigma, schedulers.form_of(scheduler)
        signal = {"ve": 1.0, "vp": 1 / math.hypot(1, sigma), "flow": 1 / (1 + sigma)}[form]
        sample = signal * (x0 + sigma * eps)
        alpha = 1 / math.hypot(1, sigma)
        kind = "flow" if form == "flow" else prediction
        predicted = {
            "epsilon": eps,
            "v_prediction": alpha * eps - alpha * sigma * x0,
            "sample": x0,
            "flow": eps - x0,
        }[kind]
        estimate = denoised(scheduler, index, predicted, sample)
        assert torch.allclose(estimate, x0, atol=1e-4 * (1 + sigma))


@pytest.mark.parametrize("name", ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"])
def test_the_clean_estimate_undoes_edm_preconditioning(name: str) -> None:
    """Karras et al. 2022, table 1: D = c_skip x + c_out F."""
    scheduler = made(name, own=name)
    x0, eps, data = clean(), noise(), scheduler.config.sigma_data
    for index in range(len(scheduler.timesteps)):
        sigma = schedulers.level(scheduler, index).sigma
        sample = x0 + sigma * eps
        skip, out = data**2 / (sigma**2 + data**2), sigma * data / math.sqrt(sigma**2 + data**2)
        estimate = denoised(scheduler, index, (x0 - skip * sample) / out, sample)
        assert torch.allclose(estimate, x0, atol=1e-3 * (1 + sigma))


def test_an_unknown_prediction_has_no_clean_estimate() -> None:
    scheduler = made("DDIMScheduler")
    assert denoised(scheduler, 3, torch.zeros(1, 8, 8, 8), clean()) is None


HAS_KARRAS = tuple(f"{name};use_karras_sigmas=true" for name in SAYS_ITS_OWN if name[0] in "HKL" or "SDE" in name)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", [*SAYS_ITS_OWN, *HAS_KARRAS])
def test_the_clean_estimate_is_what_the_scheduler_itself_takes(name: str, prediction: str) -> None:
    """Also at the second evaluation of a step, which KDPM2 and DPM-Solver SDE make half way to the next level."""
    scheduler = made(f"{name};prediction_type={prediction}")
    latents = noise() * float(scheduler.init_noise_sigma)
    for index, timestep in enumerate(scheduler.timesteps):
        predicted = torch.sin(3 * scheduler.scale_model_input(latents, timestep))
        expected = denoised(scheduler, index, predicted, latents)
        made_step = scheduler.step(predicted, timestep, latents)
        scale = float(made_step.pred_original_sample.abs().max())
        assert torch.allclose(expected, made_step.pred_original_sample, atol=1e-5 * (1 + scale)), index
        latents = made_step.prev_sample


def test_a_consistency_model_predicts_through_its_boundary_condition() -> None:
    """Song et al. 2023, appendix C: D = c_skip x + c_out F; here of a model that is exact."""
    scheduler = made("CMStochasticIterativeScheduler")
    data, low = scheduler.config.sigma_data, scheduler.config.sigma_min
    for index in range(len(scheduler.timesteps)):
        sigma = schedulers.level(scheduler, index).sigma
        sample = clean() + sigma * noise()
        skip = data**2 / ((sigma - low) ** 2 + data**2)
        out = (sigma - low) * data / math.sqrt(sigma**2 + data**2)
        if out:
            estimate = denoised(scheduler, index, (clean() - skip * sample) / out, sample)
            assert torch.allclose(estimate, clean(), atol=1e-3 * (1 + sigma))


def test_ipndm_takes_its_model_for_one_of_velocity() -> None:
    """Its own arithmetic: noise = beta x + alpha output, x0 = (x - beta noise) / alpha."""
    scheduler = made("IPNDMScheduler")
    for index in range(1, len(scheduler.timesteps)):
        alpha, beta = float(scheduler.alphas[index]), float(scheduler.betas[index])
        sample, output = alpha * clean() + beta * noise(), alpha * noise() - beta * clean()
        assert torch.allclose(denoised(scheduler, index, output, sample), clean(), atol=1e-4)


def test_velocity_tells_the_clean_signal_even_in_pure_noise() -> None:
    """With zero terminal SNR the first step is at alpha = 0, where v = -x0 (Lin et al. 2024)."""
    scheduler = made("DDIMScheduler;rescale_betas_zero_snr=true;timestep_spacing=trailing;prediction_type=v_prediction")
    assert math.isinf(schedulers.level(scheduler, 0).sigma)
    assert torch.equal(denoised(scheduler, 0, -clean(), noise()), clean())
