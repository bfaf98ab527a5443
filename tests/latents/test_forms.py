"""Forms of noisy latents against each scheduler's own arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jupyter_latents.errors import LatentsError
from jupyter_latents.latents import CLEAN, SPACES, Latents, Noise, Position, Resume
from jupyter_latents.latents.form_table import NOISY_FORMS, ROWS
from jupyter_latents.latents.forms import (
    convert,
    noise_coefficient,
    raise_noise,
    signal_coefficient,
    to_form,
)
from tests.latents.gaussian import mix

NOISY = NOISY_FORMS
CLEAN_PART = torch.randn(1, 4, 8, 8, dtype=torch.float64)
NOISE_PART = torch.randn(1, 4, 8, 8, dtype=torch.float64)


def by_hand(sigma, form):
    """Each form as its own schedulers write it, without the shared coefficient."""
    if form == "ve":
        return CLEAN_PART + sigma * NOISE_PART
    if form == "vp":
        alphas_cumprod = 1 / (1 + sigma**2)
        return math.sqrt(alphas_cumprod) * CLEAN_PART + math.sqrt(1 - alphas_cumprod) * NOISE_PART
    s = sigma / (1 + sigma)
    return (1 - s) * CLEAN_PART + s * NOISE_PART


@pytest.mark.parametrize("target", NOISY)
@pytest.mark.parametrize("source", NOISY)
@pytest.mark.parametrize("sigma", [0.03, 0.5, 1.0, 14.6])
def test_every_pair_of_forms_agrees_with_the_arithmetic_by_hand(source, target, sigma):
    torch.testing.assert_close(convert(by_hand(sigma, source), sigma, source, target), by_hand(sigma, target))
    torch.testing.assert_close(mix(CLEAN_PART, NOISE_PART, sigma, target), by_hand(sigma, target))


def test_forms_agree_with_the_schedulers_of_diffusers():
    from diffusers import DDIMScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler

    clean, noise = CLEAN_PART.float(), NOISE_PART.float()
    ddim, euler, flow = DDIMScheduler(), EulerDiscreteScheduler(), FlowMatchEulerDiscreteScheduler()
    timestep = torch.tensor([400])
    sigma = ((1 - ddim.alphas_cumprod[400]) / ddim.alphas_cumprod[400]).sqrt().item()
    torch.testing.assert_close(mix(clean, noise, sigma, "vp"), ddim.add_noise(clean, noise, timestep))
    torch.testing.assert_close(mix(clean, noise, sigma, "ve"), euler.add_noise(clean, noise, timestep))
    index = 300
    s = flow.sigmas[index].item()
    sigma = s / (1 - s)
    noised = flow.scale_noise(clean, flow.timesteps[index : index + 1], noise)
    torch.testing.assert_close(mix(clean, noise, sigma, "flow"), noised)


@given(sigma=st.floats(1e-4, 1e4), source=st.sampled_from(NOISY), target=st.sampled_from(NOISY))
def test_conversion_and_back_is_the_identity(sigma, source, target):
    there = convert(CLEAN_PART, sigma, source, target)
    torch.testing.assert_close(convert(there, sigma, target, source), CLEAN_PART)


@given(s=st.floats(0, 1))
def test_the_flow_sigma_of_a_level_is_that_of_the_models(s):
    sigma = math.inf if s == 1 else s / (1 - s)
    assert math.isclose(Noise(sigma, "flow").flow_sigma, s, rel_tol=1e-9, abs_tol=1e-12)


@given(sigma=st.floats(0, 1e4), form=st.sampled_from(NOISY))
def test_a_schedulers_own_number_and_back_is_the_identity(sigma, form):
    row = ROWS[form]
    assert Noise(sigma, form).own_sigma == row.own(sigma)
    assert math.isclose(row.sigma(row.own(sigma)), sigma, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize("form", [name for name, row in ROWS.items() if row.holds_pure_noise])
def test_pure_noise_is_the_noise_itself(form):
    assert signal_coefficient(math.inf, form) == 0.0
    assert noise_coefficient(math.inf, form) == 1.0
    assert torch.equal(convert(NOISE_PART, math.inf, form, "vp"), NOISE_PART)
    assert torch.equal(raise_noise(CLEAN_PART, NOISE_PART, 0.5, math.inf, form), NOISE_PART)


def test_equal_forms_and_clean_latents_are_left_to_the_bit():
    assert convert(CLEAN_PART, 0.7, "vp", "vp") is CLEAN_PART
    assert convert(CLEAN_PART, 0.0, "clean", "ve") is CLEAN_PART


@pytest.mark.parametrize("form", NOISY)
def test_raised_noise_has_exactly_the_missing_variance(form):
    low, high = 0.4, 1.3
    raised = raise_noise(mix(CLEAN_PART, torch.zeros_like(CLEAN_PART), low, form), NOISE_PART, low, high, form)
    expected = CLEAN_PART + math.sqrt(high**2 - low**2) * NOISE_PART
    torch.testing.assert_close(convert(raised, high, form, "ve"), expected)


@pytest.mark.parametrize(
    ("sigma", "form", "message"),
    [
        (-1.0, "ve", "sigma is -1"),
        (float("nan"), "vp", "sigma is nan"),
        (math.inf, "ve", "no VE form"),
        (1.0, "clean", "clean"),
     (1.0, "edm", "ve, vp, flow")],
)  # fmt: skip
def test_impossible_levels_are_refused(sigma, form, message):
    with pytest.raises(LatentsError, match=message):
        convert(CLEAN_PART, sigma, form, "vp")


def test_lower_noise_is_refused():
    with pytest.raises(LatentsError, match="only denoising"):
        raise_noise(CLEAN_PART, NOISE_PART, 1.0, 0.5, "ve")


def test_latents_change_form_and_drop_what_belonged_to_the_old_one():
    tensor = CLEAN_PART.float()
    noise, position = Noise(1.0, "ve", 500.0), Position(3, 10)
    latents = Latents(tensor, SPACES["sd"], noise, position, Resume(), denoised=tensor)
    changed = to_form(latents, "flow")
    torch.testing.assert_close(changed.tensor, latents.tensor / 2)
    assert changed.noise == Noise(1.0, "flow", 500.0)
    assert (changed.position, changed.resume) == (None, None)
    assert changed.denoised is latents.denoised
    assert latents.to_form("ve") is latents


def test_unknown_noise_has_no_form_to_change():
    with pytest.raises(LatentsError, match="not known"):
        to_form(Latents(CLEAN_PART), "ve")
    assert to_form(Latents(CLEAN_PART, noise=CLEAN), "vp").is_clean
