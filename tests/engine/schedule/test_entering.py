"""How stages enter schedules without the history of the latents that they go on from."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.given.outline import Outline
from jupyter_latents.engine.prepare import Prepared, prepare
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.engine.schedule.likeness import likely_form
from jupyter_latents.errors import HandoffError
from jupyter_latents.latents import Latents, Noise, Space
from jupyter_latents.latents.facts import Form
from jupyter_latents.latents.files.comfy_file import RAW_VAE
from jupyter_latents.stage import LatentsProcessor, Window
from tests.engine.cases import PROMPT, Bench, equal, inputs, plain, relative

PRK = "PNDMScheduler;skip_prk_steps=false"


@pytest.fixture(scope="module")
def base(bench: Bench) -> Latents:
    return bench.run("sd15", scheduler="EulerDiscreteScheduler", window=Window(None, 0.5)).latents


def prepared(bench: Bench, *latents: Latents, **options: Any) -> Prepared:
    return prepare(bench.stage("sd15", **options), Given(latents))


@pytest.mark.parametrize(("end", "evaluations"), [(None, 6), (0.7, 2), (0.8, 3)])
def test_pndm_runs_the_timestep_after_its_entry_twice(
    bench: Bench, base: Latents, end: float | None, evaluations: int
) -> None:
    options = {"scheduler": "PNDMScheduler", "window": Window(None, end)}
    plan = prepared(bench, base, **options)
    run = bench.run("sd15", "txt2img", base, **options)
    assert plan.span.start == 6
    assert run.span == plan.span
    assert run.evaluations == plan.span.evaluations == evaluations
    assert [step.position.step for step in run.latents.trajectory] == [*range(7, plan.span.end + 1)]


def test_pndm_entering_at_the_last_timestep_runs_it_alone(bench: Bench) -> None:
    late = bench.run("sd15", scheduler="PNDMScheduler", window=Window(None, 0.95)).latents
    assert late.position.step == 10
    run = bench.run("sd15", "txt2img", late.replace(resume=None), scheduler="PNDMScheduler")
    assert run.evaluations == 1
    assert run.latents.is_clean


def test_pndm_enters_past_its_own_repeat(bench: Bench) -> None:
    """Its second and third timesteps are one, and the call that refines the first of them needs the call before."""
    early = bench.run("sd15", scheduler="PNDMScheduler", window=Window(None, 0.1)).latents.replace(resume=None)
    plan = prepared(bench, early, scheduler="PNDMScheduler")
    assert (early.position.step, plan.span.start) == (1, 2)
    assert bench.run("sd15", "txt2img", early, scheduler="PNDMScheduler").evaluations == plan.span.evaluations


@pytest.mark.parametrize("scheduler", ["LMSDiscreteScheduler", "PNDMScheduler", "UniPCMultistepScheduler"])
def test_a_run_that_entered_without_history_goes_on_exactly(bench: Bench, base: Latents, scheduler: str) -> None:
    whole = bench.run("sd15", "txt2img", base, scheduler=scheduler)
    half = bench.run("sd15", "txt2img", base, scheduler=scheduler, window=Window(None, 0.7)).latents
    filed = Latents.load(half.save(bench.scratch / "half.safetensors"))
    for latents in (half, filed):
        assert prepared(bench, latents, scheduler=scheduler).verdict == "exact continuation"
        assert equal(bench.run("sd15", "txt2img", latents, scheduler=scheduler), whole)


@pytest.mark.parametrize("given", ["other schedule", "no history", "bare"])
def test_runge_kutta_steps_are_refused_in_mid_schedule_by_name(bench: Bench, base: Latents, given: str) -> None:
    own = bench.run("sd15", scheduler=PRK, window=Window(None, 0.5)).latents
    latents = {
        "other schedule": base,
        "no history": own.replace(resume=None),
        "bare": Latents(own.tensor, None, None),
    }[given]
    window = Window(0.5 if given == "bare" else None, None)
    with pytest.raises(HandoffError, match=r"(?s)Runge-Kutta.*PNDMScheduler;skip_prk_steps=true"):
        prepared(bench, latents, scheduler=PRK, window=window)
    assert prepared(bench, own, scheduler=PRK).verdict == "exact continuation"


def test_runge_kutta_steps_are_refused_for_a_picture_that_begins_in_mid_schedule(bench: Bench) -> None:
    stage = bench.stage("sd15", scheduler=PRK, strength=0.7)
    with pytest.raises(HandoffError, match="Runge-Kutta"):
        prepare(stage, Given(images=((64, 64),)))
    assert prepare(bench.stage("sd15", scheduler=PRK, strength=1.0), Given(images=((64, 64),))).mode == "img2img"


def test_pictures_enter_as_in_plain_diffusers(bench: Bench) -> None:
    """Their noised latents enter with no repeat: what plain diffusers makes of a picture stays what it was."""
    stage = bench.stage("sd15", scheduler="PNDMScheduler", strength=0.5)
    plan = prepare(stage, Given(images=((64, 64),)))
    assert plan.span.repeats == 0
    assert bench.engine.run(stage, inputs("img2img")).evaluations == plan.span.evaluations


def test_latents_of_a_batch_enter_as_they_would_alone(bench: Bench, base: Latents) -> None:
    from jupyter_latents.latents import batch, split

    joined = batch([base, base])
    for scheduler in ("LMSDiscreteScheduler", "PNDMScheduler"):
        alone = bench.run("sd15", "txt2img", base.replace(resume=None), scheduler=scheduler).latents.tensor
        both = bench.run("sd15", "txt2img", joined, scheduler=scheduler).latents.tensor
        again = bench.run("sd15", "txt2img", split(joined)[1], scheduler=scheduler).latents.tensor
        assert torch.equal(again, alone)
        assert torch.allclose(both[1:], alone, atol=1e-3)


def unit(*, seed: int = 3) -> Latents:
    """Unit noise as a bare file holds it."""
    return Latents(torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed)), None, None)


@pytest.mark.parametrize("scheduler", ["EulerDiscreteScheduler", "HeunDiscreteScheduler"])
def test_unit_noise_of_a_bare_file_begins_a_schedule_of_large_values(bench: Bench, scheduler: str) -> None:
    """As ``pipe(latents=noise)`` of plain diffusers takes it: multiplied by the level that the schedule begins with."""
    options = {"scheduler": scheduler, "window": Window(0.0, None), "size": None}
    plan = prepared(bench, unit(), **options)
    assert any("cannot be σ" in note and "as pure noise, scaled to it" in note for note in plan.notes)
    run = bench.run("sd15", "txt2img", unit(), **options)
    said = Latents(unit().tensor, None, Noise(math.inf, "vp"))
    assert equal(run, bench.run("sd15", "txt2img", said, **{**options, "window": Window()}))
    if scheduler == "EulerDiscreteScheduler":
        pipeline = plain(bench.folder("sd15"), scheduler=schedulers.build(scheduler, *plan.facts.scheduler))
        call = {"num_inference_steps": 10, "guidance_scale": 3.0, "output_type": "latent"}
        reference = pipeline(PROMPT, latents=unit().tensor.clone(), height=64, width=64, **call).images
        assert relative(run.latents.tensor, reference) < 1e-5


def test_values_too_small_for_their_level_enter_in_the_form_that_keeps_them_small(bench: Bench) -> None:
    """A bare file of DDIM's goes on in Euler as latents with their facts do."""
    made = bench.run("demo/scenes", scheduler="DDIMScheduler", window=Window(None, 0.2)).latents
    bare = Latents(made.tensor, None, None)
    options = {"scheduler": "EulerDiscreteScheduler", "size": None}
    known = bench.run("demo/scenes", "txt2img", made, **options)
    stage = bench.stage("demo/scenes", window=Window(0.2, None), **options)
    assert any("they enter in VP form" in note for note in prepare(stage, Given((bare,))).notes)
    assert relative(bench.engine.run(stage, inputs("txt2img", bare)).latents.tensor, known.latents.tensor) < 0.02
    for giver in ("DDIMScheduler", "EulerDiscreteScheduler"):
        own = bench.run("demo/scenes", scheduler=giver, window=Window(None, 0.2)).latents
        again = bench.stage("demo/scenes", scheduler=giver, window=Window(0.2, None), size=None)
        assert not any("cannot be" in note for note in prepare(again, Given((Latents(own.tensor, None, None),))).notes)


@pytest.mark.parametrize(("size", "sigma", "form", "found"), [
    (1.0, 5.9, "ve", "vp"), (6.0, 5.9, "ve", "ve"), (6.0, 5.9, "vp", "vp"), (1.0, 5.9, "vp", "vp"),
    (1.0, 0.4, "ve", "ve"), (1.0, 0.4, "vp", "vp"), (40.0, 5.9, "ve", "ve"), (0.0, 5.9, "ve", "ve"),
    (1.0, math.inf, "vp", "vp"), (1.0, 5.9, "flow", "flow"),
])  # fmt: skip
def test_the_form_of_values_follows_from_their_size(size: float, sigma: float, form: Form, found: Form) -> None:
    values = size * torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    assert likely_form(values, Noise(sigma, form)) == found
    assert likely_form(values[..., :1, :1], Noise(sigma, form)) == form


BARE = {"zeros": 0.0, "a million": 1e6, "raw values of a VAE": 30.0, "noise": 1.0, "fitting": 1.5}


@pytest.mark.parametrize("name", BARE)
@pytest.mark.parametrize("scheduler", ["EulerDiscreteScheduler", "DDIMScheduler"])
def test_values_that_no_latents_have_are_told(bench: Bench, name: str, scheduler: str) -> None:
    """Nobody was told that a picture of nothing would come of them."""
    values = BARE[name] * torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    given = Latents(values, None, None)
    plan = prepared(bench, given, scheduler=scheduler, window=Window(0.5, None), size=None)
    told = [warning for warning in plan.warnings if "standard deviation" in warning]
    assert bool(told) is (name in list(BARE)[:3])
    assert not told or "hardly anything can come of them" in told[0]
    said = prepared(bench, given.replace(noise=Noise(1.2, "vp")), scheduler=scheduler, size=None)
    assert bool(told) is any("standard deviation" in warning for warning in said.warnings)


def test_noisy_values_of_comfyui_are_judged_in_their_own_form(bench: Bench) -> None:
    """Their signal has coefficient 1: at high noise they are large, and were said to be worth nothing."""
    window, noise = Window(0.1, None), torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    sigma = prepared(
        bench, Latents(noise), scheduler="DDIMScheduler", window=window, size=None
    ).entering.way.noise.sigma
    raw = Space(RAW_VAE, 4)
    for size, right in ((math.hypot(1, sigma), True), (1.0, False)):
        given = Latents(noise * size / 0.18215, raw)
        plan = prepared(bench, given, scheduler="DDIMScheduler", window=window, size=None)
        assert right is not any("standard deviation" in warning for warning in plan.warnings), size


def test_one_item_of_a_batch_that_is_no_latents_is_told(bench: Bench) -> None:
    values = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    values[1] = 0
    plan = prepared(bench, Latents(values, None, None), window=Window(0.5, None), size=None)
    assert any("standard deviation of 0" in warning for warning in plan.warnings)


@pytest.mark.parametrize("name", BARE)
def test_values_that_no_clean_latents_have_are_told_in_the_place_of_a_picture(bench: Bench, name: str) -> None:
    values = BARE[name] * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    outline = Outline.of(Latents(values, None, None))
    for given in (outline, Latents(values, None, None)):
        notes = prepare(bench.stage("sd15"), Given(images=((64, 64),), decoded=(given,))).notes
        assert any("clean latents have about 1" in note for note in notes) is (name in list(BARE)[:3])


def test_latents_that_stand_in_the_same_schedule_say_why_they_are_not_exact(bench: Bench) -> None:
    scheduler = "DPMSolverMultistepScheduler"
    first, second = (
        bench.run("sd15", scheduler=scheduler, seed=seed, window=Window(None, 0.5)).latents for seed in (1, 2)
    )
    assert prepared(bench, first, scheduler=scheduler).verdict == "exact continuation"
    for given in ((first, second), (first.blend(second),), (first.replace(resume=None),)):
        assert prepared(bench, *given, scheduler=scheduler).verdict == "same schedule, without history"
    chain = (LatentsProcessor("scale", {"factor": "3"}),)
    assert prepared(bench, first, scheduler=scheduler, latents_processors=chain).verdict == "changed by scale"


def test_a_strength_that_leaves_nothing_of_a_picture_is_told(bench: Bench) -> None:
    def notes(strength: float, scheduler: str | None = None, masks: int = 0) -> str:
        stage = bench.stage("sd15", strength=strength, scheduler=scheduler)
        return " ".join(prepare(stage, Given(images=((64, 64),), masks=masks)).notes)

    assert "hardly anything of the picture is kept" in notes(1.0)
    assert "hardly anything" not in notes(0.9)
    assert "hardly anything" not in notes(1.0, "DPMSolverMultistepInverseScheduler")
    assert "hardly anything" not in notes(1.0, masks=1)


def test_guidance_that_reaches_no_denoiser_is_told(bench: Bench) -> None:
    def notes(model: str, scale: float) -> str:
        return " ".join(prepare(bench.stage(model, guidance_scale=scale)).notes)

    flux = prepare(bench.stage("flux")).facts
    embeds = flux.config("transformer").get("guidance_embeds")
    assert ("changes nothing" in notes("flux", 9.0)) is (not embeds)
    assert "changes nothing" not in notes("flux", 1.0)
    for model in ("sd15", "sd3", "qwen-image"):
        assert "changes nothing" not in notes(model, 9.0)
