"""The samplers of other programs and the schedulers that stand for them."""

from __future__ import annotations

import pytest

from jupyter_latents.engine.schedule.schedulers import build
from jupyter_latents.engine.schedule.table import scheduler_names
from jupyter_latents.samplers import SAMPLERS, Sampling, sampler_name, schedule_of
from jupyter_latents.stage import read_address

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PROGRAMS = {
    "A1111": "Euler a, Euler, LMS, Heun, DPM2, DPM2 a, DPM++ 2S a, DPM++ 2M, DPM++ SDE, DPM++ 2M SDE, DPM++ 3M SDE, "
    "DDIM, PLMS, UniPC, LCM, DPM++ 2M Karras, DPM++ 2M SDE Exponential",
    "ComfyUI": "euler, euler_ancestral, heun, dpm_2, dpm_2_ancestral, lms, dpmpp_2s_ancestral, dpmpp_sde, "
    "dpmpp_sde_gpu, dpmpp_2m, dpmpp_2m_sde, dpmpp_3m_sde, ddpm, lcm, ipndm, deis, ddim, uni_pc, uni_pc_bh2, "
    "sample_dpmpp_2m",
    "InvokeAI": "ddim, ddpm, deis, lms, lms_k, pndm, heun, heun_k, euler, euler_k, euler_a, kdpm_2, kdpm_2_k, "
    "kdpm_2_a, kdpm_2_a_k, dpmpp_2s, dpmpp_2m, dpmpp_2m_k, dpmpp_2m_sde, dpmpp_2m_sde_k, dpmpp_sde, dpmpp_sde_k, "
    "unipc, unipc_k, lcm, tcd",
    "NovelAI": "k_euler, k_euler_ancestral, k_dpmpp_2m, k_dpmpp_2s_ancestral, k_dpmpp_sde, k_dpmpp_2m_sde, ddim_v3, "
    "plms",
}
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
    "name", ["", "Restart", "DPM adaptive", "Euler Flux", "k_", "karras", "EulerDiscreteScheduler"]
)
def test_what_is_no_known_sampler_has_none(name: str) -> None:
    assert schedule_of(name) is None


def test_names_lead_to_the_scheduler_and_back() -> None:
    for row in SAMPLERS:
        if not row.near:
            for kind in ("", "Karras"):
                found = schedule_of(row.name, kind)
                assert found is not None
                address = read_address(found.scheduler)
                assert sampler_name(address.name, address.settings) == (row.name, "" if found.differs else kind)
    assert sampler_name("OddScheduler") == ("OddScheduler", "")
