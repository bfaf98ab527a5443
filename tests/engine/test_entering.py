"""How stages enter schedules without the history of the latents that they go on from."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.prepare import Prepared, prepare
from jupyter_latents.errors import HandoffError
from jupyter_latents.latents import Latents
from jupyter_latents.stage import Window
from tests.engine.cases import Bench, equal, inputs

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
