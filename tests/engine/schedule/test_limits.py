"""What a scheduler's settings, steps and sigmas may be, said before any weights load."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.errors import ModelError
from jupyter_latents.latents import Latents
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage, Window
from tests.engine.cases import FLOW_SCHEDULERS, SCHEDULERS, Bench
from tests.engine.schedule.known import SD


def refused(bench: Bench, model: str = "sd15", **options: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        prepare(bench.stage(model, **options))
    return caught.value


def in_a_folder(bench: Bench, content: str, folder: Path) -> Stage:
    """A stage of a model whose scheduler's settings are these."""
    shutil.copytree(bench.folder("sd15"), folder)
    (folder / "scheduler" / "scheduler_config.json").write_text(content)
    return Stage(model=ModelSource(str(folder)), prompt=Prompt("x"), size=Size(64, 64), scheduler="DDIMScheduler")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"num_train_timesteps": 10**10}, r"num_train_timesteps 10000000000; it is a whole number of 1 to 100,000"),
        ({"num_train_timesteps": -5}, "num_train_timesteps -5"),
        ({"num_train_timesteps": "many"}, "num_train_timesteps 'many'"),
        ({"num_train_timesteps": 10.5}, "num_train_timesteps 10.5"),
        ({"num_train_timesteps": True}, "num_train_timesteps True"),
        ({"beta_start": -1}, "beta_start -1; it is a number of 0 to 0.9999"),
        ({"beta_end": 2}, "beta_end 2"),
        ({"beta_end": float("nan")}, "beta_end nan"),
        ({"beta_end": 10**400}, "beta_end 1000"),
        ({"steps_offset": -5}, "steps_offset -5"),
        ({"trained_betas": [0.1, 2.0]}, r"trained_betas \[0.1, 2.0\]"),
        ({"trained_betas": "x" * 99}, "trained_betas 'xxx"),
        ({"beta_schedule": "unheard of"}, "cannot be made with these settings"),
        ({"beta_schedule": []}, "cannot be made with these settings"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_settings_beyond_any_scheduler_are_refused_by_name(
    bench: Bench, tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    stage = in_a_folder(bench, json.dumps({**SD, "_class_name": "PNDMScheduler", **settings}), tmp_path / "model")
    with pytest.raises(ModelError, match=told) as caught:
        prepare(stage)
    assert "scheduler_config.json" in str(caught.value) or "cannot be made" in told


def test_settings_nested_without_end_are_refused(bench: Bench, tmp_path: Path) -> None:
    stage = in_a_folder(bench, '{"a":' * 100_000 + "1" + "}" * 100_000, tmp_path / "model")
    with pytest.raises(ModelError, match=r"scheduler_config\.json of the model at .* cannot be read"):
        prepare(stage)


def test_a_setting_in_the_script_has_the_same_range(bench: Bench) -> None:
    error = refused(bench, scheduler="DDIMScheduler;num_train_timesteps=10000000000")
    assert "num_train_timesteps 10000000000" in str(error)
    assert error.option == "schedulers"


@pytest.mark.parametrize("name", ["set_alpha_to_one", "thresholding", "clip_sample"])
def test_what_the_models_settings_say_is_not_overridden(name: str) -> None:
    own = {**SD, name: True}
    assert schedulers.build("DDIMScheduler", "PNDMScheduler", own).config[name] is True
    assert schedulers.build("DDIMScheduler", "PNDMScheduler", SD).config[name] is False
    assert schedulers.build(f"DDIMScheduler;{name}=false", "PNDMScheduler", own).config[name] is False


@pytest.mark.parametrize("scheduler", [None, "DDIMScheduler", "DPMSolverMultistepScheduler", "LCMScheduler"])
def test_more_steps_than_timesteps_are_refused(bench: Bench, scheduler: str | None) -> None:
    error = refused(bench, scheduler=scheduler, num_inference_steps=1001)
    assert "1001 steps are more than the 1000 timesteps" in str(error)
    assert error.option == "inference_steps"


def test_steps_that_reach_behind_the_table_are_refused(bench: Bench) -> None:
    """steps_offset=1 makes timestep 1000 of 1000 steps."""
    assert "timestep 1000" in str(refused(bench, scheduler="DDIMScheduler", num_inference_steps=1000))
    prepare(bench.stage("sd15", scheduler="DDIMScheduler;steps_offset=0", num_inference_steps=1000))


@pytest.mark.parametrize(
    "scheduler", ["EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler"]
)
def test_schedulers_that_step_between_timesteps_have_any_number_of_steps(bench: Bench, scheduler: str) -> None:
    spaced = f"{scheduler};timestep_spacing=linspace"
    assert prepare(bench.stage("sd15", scheduler=spaced, num_inference_steps=1500)).span.of == 1500
    leading = refused(bench, scheduler=f"{scheduler};timestep_spacing=leading", num_inference_steps=1500)
    assert "1500 steps are more than the 1000 timesteps" in str(leading)


def test_flow_schedules_have_any_number_of_steps(bench: Bench) -> None:
    assert prepare(bench.stage("sd3", num_inference_steps=1500)).span.of == 1500


@pytest.mark.parametrize("setting", ["solver_type=bh1;use_karras_sigmas=true", "predict_x0=false"])
def test_a_last_step_that_divides_by_zero_is_refused_where_it_runs(bench: Bench, setting: str) -> None:
    scheduler = f"UniPCMultistepScheduler;{setting}"
    base = bench.run("sd15", scheduler=scheduler, window=Window(None, 0.5)).latents
    for given in ((), (base,), (base.replace(resume=None),)):
        with pytest.raises(ModelError, match=r"step 10 of 10 divides by zero.*final_sigmas_type=sigma_min"):
            prepare(bench.stage("sd15", scheduler=scheduler), Given(given))
    ends = bench.run("sd15", scheduler=f"{scheduler};final_sigmas_type=sigma_min").latents
    assert ends.is_clean


@pytest.mark.parametrize("name", SCHEDULERS + FLOW_SCHEDULERS)
def test_no_plain_scheduler_is_refused_for_its_steps(name: str) -> None:
    from jupyter_latents.engine.schedule.trial import check_steps

    scheduler = schedulers.build(name, "PNDMScheduler", SD, seed=1)
    for steps in (1, 2, 9):
        scheduler.set_timesteps(steps)
        last = len(scheduler.timesteps)
        for start in range(0, last, int(scheduler.order)):
            check_steps(scheduler, f"{name} {steps}", start, last)


@pytest.mark.parametrize(
    ("model", "scheduler", "sigmas", "told"),
    [
        ("sd3", None, (3.0, 1.0), "holds 3; those of a flow model are shares of noise, 0 to 1"),
        ("sd15", "EulerDiscreteScheduler", (1e30, 1.0), r"holds 1e\+30; they lie between 0 and 10,000"),
        ("sd15", "DDIMScheduler", (3.0, 1.0), "takes no sigmas of one's own"),
    ],
)
def test_sigmas_that_no_schedule_has_are_refused(
    bench: Bench, model: str, scheduler: str | None, sigmas: tuple[float, ...], told: str
) -> None:
    stage = bench.stage(model, scheduler=scheduler, sigmas=sigmas, num_inference_steps=len(sigmas))
    with pytest.raises(ModelError, match=told) as caught:
        prepare(stage)
    assert caught.value.option == "sigmas"


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerDiscreteScheduler"])
@pytest.mark.parametrize("sigmas", [None, (0.9, 0.5)])
def test_a_scheduler_of_noise_is_refused_on_a_flow_model(
    bench: Bench, scheduler: str, sigmas: tuple[float, ...] | None
) -> None:
    assert "is a flow model" in str(refused(bench, "demo/flow", scheduler=scheduler, sigmas=sigmas))


def test_a_flow_model_takes_the_schedulers_that_have_flow_sigmas(bench: Bench) -> None:
    for scheduler in FLOW_SCHEDULERS:
        assert prepare(bench.stage("demo/flow", scheduler=scheduler)).span.of == 10


@pytest.mark.parametrize("scheduler", ["PNDMScheduler;prediction_type=sample", "DDPMScheduler;variance_type=learned"])
def test_settings_at_which_a_step_fails_are_refused(bench: Bench, scheduler: str) -> None:
    assert "cannot run this schedule: its step 1 fails (" in str(refused(bench, "sd15", scheduler=scheduler))


def test_trying_a_schedule_draws_nothing_from_the_global_generator(bench: Bench) -> None:
    import torch

    torch.manual_seed(3)
    before = torch.get_rng_state()
    for scheduler in ("EulerAncestralDiscreteScheduler", "DPMSolverSDEScheduler", "DDPMScheduler"):
        prepare(bench.stage("sd15", scheduler=scheduler, num_inference_steps=7))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_schedule_is_tried_once(bench: Bench) -> None:
    from jupyter_latents.engine.schedule import trial

    trial._wrong.cache_clear()
    for seed in range(3):
        prepare(bench.stage("sd15", seed=seed))
    assert trial._wrong.cache_info().misses == 1


def test_latents_that_enter_late_may_run_what_the_whole_schedule_may(bench: Bench) -> None:
    base = bench.run("sd15", scheduler="DPMSolverMultistepScheduler", window=Window(None, 0.9)).latents
    plan = prepare(bench.stage("sd15", scheduler="DPMSolverMultistepScheduler"), Given((base,)))
    assert isinstance(base, Latents)
    assert plan.span.start == 9
