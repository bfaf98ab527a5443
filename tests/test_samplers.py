"""The samplers of other programs and the schedulers that stand for them."""

from __future__ import annotations

import re

import pytest

from jupyter_latents.engine.schedule.schedulers import build
from jupyter_latents.engine.schedule.table import scheduler_names
from jupyter_latents.errors import ScriptError
from jupyter_latents.samplers import SAMPLERS, Sampling, sampler_name, schedule_of
from jupyter_latents.stage import read_address
from jupyter_latents.syntax import parse
from jupyter_latents.syntax.options import options_page
from jupyter_latents.syntax.options.help import help_text

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PROGRAMS = {
    "A1111": "Euler a, Euler, LMS, Heun, DPM2, DPM2 a, DPM++ 2S a, DPM++ 2M, DPM++ SDE, DPM++ 2M SDE, DPM++ 3M SDE, "
    "DDIM, PLMS, UniPC, LCM, DPM++ 2M Karras, DPM++ 2M SDE Exponential, DPM++ 2M SDE Heun, DPM fast, DPM adaptive, "
    "Restart, DDIM CFG++",
    "ComfyUI": "euler, euler_cfg_pp, euler_ancestral, euler_ancestral_cfg_pp, heun, heunpp2, exp_heun_2_x0, "
    "exp_heun_2_x0_sde, dpm_2, dpm_2_ancestral, lms, dpm_fast, dpm_adaptive, dpmpp_2s_ancestral, "
    "dpmpp_2s_ancestral_cfg_pp, dpmpp_sde, dpmpp_sde_gpu, dpmpp_2m, dpmpp_2m_cfg_pp, dpmpp_2m_sde, dpmpp_2m_sde_gpu, "
    "dpmpp_2m_sde_heun, dpmpp_2m_sde_heun_gpu, dpmpp_3m_sde, dpmpp_3m_sde_gpu, ddpm, lcm, ipndm, ipndm_v, deis, "
    "res_multistep, res_multistep_cfg_pp, res_multistep_ancestral, res_multistep_ancestral_cfg_pp, "
    "gradient_estimation, gradient_estimation_cfg_pp, er_sde, seeds_2, seeds_3, sa_solver, sa_solver_pece, ddim, "
    "uni_pc, uni_pc_bh2, sample_dpmpp_2m",
    "InvokeAI": "ddim, ddpm, deis, lms, lms_k, pndm, heun, heun_k, euler, euler_k, euler_a, kdpm_2, kdpm_2_k, "
    "kdpm_2_a, kdpm_2_a_k, dpmpp_2s, dpmpp_2m, dpmpp_2m_k, dpmpp_2m_sde, dpmpp_2m_sde_k, dpmpp_sde, dpmpp_sde_k, "
    "unipc, unipc_k, lcm, tcd",
    "NovelAI": "k_euler, k_euler_ancestral, k_dpmpp_2m, k_dpmpp_2s_ancestral, k_dpmpp_sde, k_dpmpp_2m_sde, ddim_v3, "
    "plms",
}
LACKING = (
    "DPM fast, DPM adaptive, Restart, DDIM CFG++, DPM++ 2S a, euler_cfg_pp, euler_ancestral_cfg_pp, heunpp2, "
    "exp_heun_2_x0, exp_heun_2_x0_sde, dpm_fast, dpm_adaptive, dpmpp_2s_ancestral, dpmpp_2s_ancestral_cfg_pp, "
    "dpmpp_2m_cfg_pp, ipndm_v, res_multistep, res_multistep_cfg_pp, res_multistep_ancestral, "
    "res_multistep_ancestral_cfg_pp, gradient_estimation, gradient_estimation_cfg_pp, er_sde, seeds_2, seeds_3, "
    "sa_solver_pece"
).split(", ")
"""What diffusers has no scheduler for."""
STEADY = "DPM++ 2S a adds noise at each step there and none here"
SCHEDULES = ["", "Automatic", "Karras", "Exponential", "Beta", "SGM Uniform", "simple", "normal", "ddim_uniform"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_sampler_and_schedule_of_a_program_makes_a_scheduler(program: str) -> None:
    for name in PROGRAMS[program].split(", "):
        for schedule in SCHEDULES if program == next(iter(PROGRAMS)) else SCHEDULES[::3]:
            found = schedule_of(name, schedule)
            assert found is not None, name
            address = read_address(found.scheduler)
            assert address.name in scheduler_names()
            build(address, "DDIMScheduler", BETAS)


@pytest.mark.parametrize(
    ("name", "schedule", "written", "differs"),
    [
        ("DPM++ 2M", "Karras", "DPMSolverMultistepScheduler;use-karras-sigmas=true", ""),
        ("DPM++ 2M Karras", "", "DPMSolverMultistepScheduler;use-karras-sigmas=true", ""),
        ("DPM++ 2M", "Automatic", "DPMSolverMultistepScheduler;use-karras-sigmas=true", ""),
        ("Euler", "Automatic", "EulerDiscreteScheduler", ""),
        ("euler", "sgm_uniform", "EulerDiscreteScheduler;timestep-spacing=trailing", ""),
        ("Euler a", "Karras", "EulerAncestralDiscreteScheduler", "the schedule Karras is left out"),
        ("Euler", "Align Your Steps", "EulerDiscreteScheduler", "the schedule Align Your Steps is left out"),
        (
            "dpmpp_2s_ancestral",
            "",
            "DPMSolverSinglestepScheduler",
            "DPM++ 2S a adds noise at each step there and none here",
        ),
    ],
)
def test_a_schedule_that_is_not_there_is_said(name: str, schedule: str, written: str, differs: str) -> None:
    assert schedule_of(name, schedule) == Sampling(written, differs)


@pytest.mark.parametrize(
    "name", ["", "Restarts", "Kohaku LoNyu Yog", "Euler Flux", "k_", "karras", "EulerDiscreteScheduler"]
)
def test_what_is_no_known_sampler_has_none(name: str) -> None:
    assert schedule_of(name) is None


@pytest.mark.parametrize("program", ["A1111", "ComfyUI"])
def test_every_exact_name_runs_or_is_refused_with_the_nearest_in_kind(program: str) -> None:
    for name in PROGRAMS[program].removesuffix(", sample_dpmpp_2m").split(", "):
        script = f'm --scheduler "{name}"'
        if name not in LACKING:
            (stage,) = parse(script)[0].stages()
            assert stage.scheduler is not None, name
            assert stage.scheduler.name in scheduler_names(), name
            continue
        with pytest.raises(ScriptError) as caught:
            parse(script)
        said = re.fullmatch(
            r"(.*'(.+)' is no scheduler: diffusers has no such sampler: that of A1111 and ComfyUI .+\.) "
            r"The nearest in kind is '(.+)'; write that\.", caught.value.message,
        )  # fmt: skip
        assert said, caught.value.message
        assert said[2] == name
        assert caught.value.place is not None
        assert caught.value.place.text[caught.value.place.column - 1 :].startswith(name)
        assert parse(f'm --scheduler "{said[3]}"')[0].stages()[0].scheduler is not None
        assert f"`{said[3]}`" in options_page.page()


def test_help_shows_the_one_table() -> None:
    for topic in ("scheduler", "--schedulers", "sampler", "--sampling-method"):
        shown = help_text(topic)
        assert all(f" {row.name} " in shown and row.near in shown for row in SAMPLERS), topic


def test_names_lead_to_the_scheduler_and_back() -> None:
    for row in SAMPLERS:
        if not row.near:
            for kind in ("", "Karras"):
                found = schedule_of(row.name, kind)
                assert found is not None
                address = read_address(found.scheduler)
                assert sampler_name(address.name, address.settings) == (row.name, "" if found.differs else kind)
    assert sampler_name("OddScheduler") == ("OddScheduler", "")


def test_a_misspelt_sampler_is_answered_with_the_nearest() -> None:
    with pytest.raises(ScriptError, match=r"is no scheduler name; did you mean DPM\+\+ 2M"):
        parse('m --scheduler "dpm++ 2m karas"')
