"""Inversion: an inverse scheduler takes clean latents back to the noise that an ordinary one makes them of."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.errors import HandoffError
from jupyter_latents.latents import CLEAN, Latents, Noise
from jupyter_latents.stage import ModelSource, Prompt, Stage, Window
from tests.engine.cases import Bench, equal, inputs, relative

PAIRS = {
    "DDIMInverseScheduler": "DDIMScheduler",
    "DDIMInverseScheduler;timestep_spacing=trailing": "DDIMScheduler;timestep_spacing=trailing",
    "DPMSolverMultistepInverseScheduler": "DPMSolverMultistepScheduler",
}


def stage(scheduler: str, **options: Any) -> Stage:
    """A stage of the scenes' model without guidance, which inversion needs."""
    settings = {"seed": 7, "num_inference_steps": 30, "guidance_scale": 1.0, **options}
    prompt = Prompt("a beautiful sunset over the mountains")
    return Stage(model=ModelSource("demo/scenes"), prompt=prompt, scheduler=scheduler, **settings)


@pytest.fixture(scope="module")
def picture(bench: Bench) -> Latents:
    return bench.engine.run(stage("EulerDiscreteScheduler", guidance_scale=4.0)).latents


@pytest.mark.parametrize("inverse", PAIRS)
@pytest.mark.parametrize("until", [None, pytest.param(0.5, marks=pytest.mark.slow)])
def test_inverted_latents_denoise_to_what_they_were(
    bench: Bench, picture: Latents, inverse: str, until: float | None
) -> None:
    inverted = bench.engine.run(stage(inverse, window=Window(None, until)), inputs("txt2img", picture))
    assert inverted.images == ()
    assert not inverted.latents.is_clean
    back = bench.engine.run(stage(PAIRS[inverse]), inputs("txt2img", inverted.latents))
    assert back.span.start == (0 if until is None else 15)
    assert back.latents.is_clean
    assert relative(back.latents.tensor, picture.tensor) < 0.1
    other = bench.engine.run(stage(PAIRS[inverse], seed=8)).latents
    assert relative(other.tensor, picture.tensor) > 0.5


def test_an_inversion_ends_at_the_level_at_which_its_schedule_ends(bench: Bench, picture: Latents) -> None:
    made = bench.engine.run(stage("DDIMInverseScheduler"), inputs("txt2img", picture)).latents
    ordinary = schedulers.build("DDIMScheduler", *describe(ModelSource("demo/scenes")).scheduler)
    alpha_bar = float(ordinary.alphas_cumprod[29 * 33 + 1])
    assert made.noise == Noise(((1 - alpha_bar) / alpha_bar) ** 0.5, "vp", 29 * 33 + 1)
    sigmas = made.trajectory.sigmas
    assert list(sigmas) == sorted(sigmas)


def test_an_inversion_draws_nothing_and_splits_like_any_run(bench: Bench, picture: Latents) -> None:
    whole = bench.engine.run(stage("DDIMInverseScheduler"), inputs("txt2img", picture))
    half = bench.engine.run(stage("DDIMInverseScheduler", window=Window(None, 0.5)), inputs("txt2img", picture))
    assert equal(bench.engine.run(stage("DDIMInverseScheduler", seed=8), inputs("txt2img", half.latents)), whole)


@pytest.mark.parametrize("inverse", PAIRS)
def test_noisy_latents_enter_an_inversion_at_their_own_level(bench: Bench, picture: Latents, inverse: str) -> None:
    """Not at its last step, which is the noisiest."""
    given = bench.engine.run(stage("EulerDiscreteScheduler", window=Window(None, 0.8))).latents
    entered = bench.engine.run(stage(inverse, window=Window(None, 0.6)), inputs("txt2img", given))
    scheduler = schedulers.build(inverse, *describe(ModelSource("demo/scenes")).scheduler)
    scheduler.set_timesteps(30)
    start = entered.span.start
    below, at = (schedulers.level(scheduler, step).sigma for step in (start - 1, start))
    assert below < given.noise.sigma <= at


def test_what_an_inversion_takes_is_told_before_it_runs(bench: Bench, picture: Latents) -> None:
    assert prepare(stage("DDIMInverseScheduler"), Given((picture,))).verdict == "same space"
    with pytest.raises(HandoffError, match=r"(?s)fully denoised.*DDIMInverseScheduler"):
        prepare(stage("DDIMScheduler"), Given((picture,)))
    noisy = picture.replace(noise=Noise(200.0, "ve"))
    with pytest.raises(HandoffError, match="nothing to invert"):
        bench.engine.run(stage("DDIMInverseScheduler"), inputs("txt2img", noisy))


def test_clean_latents_cross_into_the_space_where_they_are_inverted(bench: Bench) -> None:
    given = bench.run("sd15").latents
    assert given.noise is CLEAN
    inverted = bench.run("sdxl", "txt2img", given, scheduler="DDIMInverseScheduler", size=None).latents
    assert inverted.space.name == "SDXL"
    assert inverted.noise.sigma > 5
