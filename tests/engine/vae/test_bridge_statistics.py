"""Crossings between spaces on Gaussian data, whose exact denoiser tells what mean and variance have to come of them.

Two spaces are joined by a known map, y = SCALE * (channels moved on by one) + SHIFT. With x = x0 + sigma * noise the
clean estimate d = E[x0 | x] has the variance tau^4 / (tau^2 + sigma^2); it crosses, and unit-variance noise comes back
to sigma, so that what enters the other space has the variance SCALE^2 tau^4 / (tau^2 + sigma^2) + sigma^2.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine.vae.bridge import bridge, register_converter
from jupyter_latents.latents import SPACES, Latents, Noise, Provenance
from jupyter_latents.stage import Size, Window
from tests.engine.cases import Bench, inputs
from tests.engine.exact import MU, TAU, exact_engine, run_undecoded
from tests.latents.gaussian import mix

SCALE, SHIFT = 1.3, 0.2
THERE = (SCALE * MU + SHIFT, SCALE * TAU)
"""Mean and deviation of the data in the receiving space."""


def same_size(clean: torch.Tensor) -> torch.Tensor:
    return clean.roll(1, dims=1) * SCALE + SHIFT


def sixteen(clean: torch.Tensor) -> torch.Tensor:
    """Every square of four values becomes channels: half as wide and high, as many values."""
    return torch.nn.functional.pixel_unshuffle(same_size(clean), 2)


MAPS = {"SDXL": (same_size, SPACES["sdxl"]), "SD3": (sixteen, SPACES["sd3"])}


@pytest.fixture(autouse=True)
def joined() -> Iterator[None]:
    for name, (map_, _) in MAPS.items():
        register_converter("SD", name, map_)
    yield
    for name in MAPS:
        register_converter("SD", name, None)


def given(sigma: float, form: str) -> tuple[Latents, torch.Tensor]:
    """Latents of the data with their exact clean estimate, and the noise in them; 147,456 values."""
    generator = torch.Generator().manual_seed(21)
    clean = MU + TAU * torch.randn(4, 4, 96, 96, generator=generator)
    noise = torch.randn(clean.shape, generator=generator)
    exploding = clean + sigma * noise
    denoised = MU + TAU**2 / (TAU**2 + sigma**2) * (exploding - MU)
    made = Latents(mix(clean, noise, sigma, form), SPACES["sd"], Noise(sigma, form), denoised=denoised)
    return made.replace(provenance=Provenance("some/model", seed=21)), noise


def crossed(latents: Latents, name: str) -> Latents:
    def no_vae() -> Any:
        raise AssertionError("a converter needs no VAE")

    return bridge(latents, no_vae, None, MAPS[name][1], 8)


def near(values: torch.Tensor, mean: float, variance: float, within: float = 5.0) -> None:
    """Mean and variance within so many standard errors."""
    values, count = values.double(), values.numel()
    assert abs(float(values.mean()) - mean) < within * math.sqrt(variance / count)
    assert abs(float(values.var()) / variance - 1) < within * math.sqrt(2 / count)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("form", ["ve", "vp", "flow"])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
def test_mean_and_variance_are_right_behind_the_bridge(sigma: float, form: str, name: str) -> None:
    latents, _ = given(sigma, form)
    result = crossed(latents, name)
    assert result.noise.sigma == sigma
    estimate = TAU**4 / (TAU**2 + sigma**2)
    near(result.denoised, THERE[0], SCALE**2 * estimate)
    near(result.tensor, THERE[0], SCALE**2 * estimate + sigma**2)
    near((result.tensor - result.denoised) / sigma, 0.0, 1.0)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
def test_the_carried_noise_is_the_givers_as_far_as_it_is_known(sigma: float) -> None:
    """The estimate of the noise has the variance m = sigma^2 / (tau^2 + sigma^2) and correlates with it by sqrt(m)."""
    latents, noise = given(sigma, "ve")
    result = crossed(latents, "SDXL")
    carried = (result.tensor - result.denoised) / sigma
    known = sigma**2 / (TAU**2 + sigma**2)
    assert abs(float((carried * noise).mean()) - known) < 5 * math.sqrt(2 / noise.numel())


@pytest.fixture(scope="module")
def elsewhere(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in SD's layout whose VAE has SDXL's numbers."""
    folder = tmp_path_factory.mktemp("elsewhere") / "model"
    shutil.copytree(bench.folder("sd15"), folder)
    config = folder / "vae" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text("utf-8")), "scaling_factor": 0.13025}), "utf-8")
    return folder


@dataclass(frozen=True)
class Law:
    """Mean and variance at a level of data of `THERE`, moved by the probability-flow ODE."""

    mean: float
    variance: float
    sigma: float

    def denoised(self) -> Law:
        ratio = THERE[1] / math.hypot(THERE[1], self.sigma)
        return Law(THERE[0] + ratio * (self.mean - THERE[0]), ratio**2 * self.variance, 0.0)


@pytest.mark.parametrize("receiver", ["DPMSolverMultistepScheduler", "HeunDiscreteScheduler"])
def test_an_exact_denoiser_beyond_the_bridge_ends_where_arithmetic_says(
    bench: Bench, elsewhere: Path, receiver: str
) -> None:
    begun = {"num_inference_steps": 60, "size": Size(256, 256), "batch_size": 8, "seed": 11}
    stage = bench.stage("sd15", scheduler="EulerDiscreteScheduler", window=Window(None, 0.5), **begun)
    base = run_undecoded(exact_engine("ve"), stage, inputs()).latents
    onward = bench.stage(str(elsewhere), scheduler=receiver, num_inference_steps=45, size=None, seed=12)
    last = run_undecoded(exact_engine("vp", THERE), onward, inputs("txt2img", base))
    assert last.latents.space.name == "SDXL"
    before = base.trajectory[-2]  # the model saw these last: what it made of them is the estimate that crosses
    exploding = before.tensor.double()
    shrunk = TAU**2 / (TAU**2 + before.noise.sigma**2)
    crossing = float(exploding.var()) * shrunk**2 * SCALE**2
    estimate = MU + shrunk * (float(exploding.mean()) - MU)
    noise = (float(exploding.mean()) - estimate) / before.noise.sigma  # not 0: samplers begin with a mean of 0, not MU
    mean = SCALE * estimate + SHIFT + base.noise.sigma * noise
    sigma = _entered_at(bench, elsewhere, receiver, last.span.start)
    expected = Law(mean, crossing + sigma**2, sigma).denoised()
    values = last.latents.tensor.double()
    assert abs(float(values.mean()) - expected.mean) < 0.01
    assert abs(float(values.var()) / expected.variance - 1) < 5 * math.sqrt(2 / values.numel()) + 0.02


def _entered_at(bench: Bench, folder: Path, name: str, step: int) -> float:
    import diffusers

    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    scheduler = getattr(diffusers, name).from_config(config)
    scheduler.set_timesteps(45)
    return float(scheduler.sigmas[step * scheduler.order])
