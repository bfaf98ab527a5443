"""A sample of ``docs/split-law.md``, and the whole of it on demand (``-m slow``)."""

from __future__ import annotations

import pytest

from tests.engine.cases import Bench
from tests.tables.split_law import FEWER, ONE_STEP_EACH
from tests.tables.variants import OTHERS, schedulers_for, variants
from tests.tables.verdicts import swapped

FLOW = "use_flow_sigmas=true;prediction_type=flow_prediction"
SAMPLE = [
    ("sd15", "EulerDiscreteScheduler;timestep_type=continuous"),
    ("sd15", "DDIMScheduler;timestep_spacing=trailing"),
    ("sd15", "DDIMScheduler;prediction_type=v_prediction"),
    ("sd15", "DPMSolverMultistepScheduler;solver_order=3;use_exponential_sigmas=true"),
    ("sd15", "DPMSolverMultistepScheduler;use_lu_lambdas=true"),
    ("sd15", "DPMSolverSinglestepScheduler;solver_order=3"),
    ("sd15", "DPMSolverSDEScheduler;use_karras_sigmas=true"),
    ("sd15", "HeunDiscreteScheduler;use_beta_sigmas=true"),
    ("sd15", "PNDMScheduler;skip_prk_steps=false"),
    ("sd15", "SASolverScheduler;predictor_order=3"),
    ("sd15", "UniPCMultistepScheduler;solver_order=3"),
    ("sdxl", "DPMSolverMultistepScheduler;use_karras_sigmas=true"),
    ("sd3", "FlowMatchEulerDiscreteScheduler;stochastic_sampling=true"),
    ("sd3", f"DPMSolverMultistepScheduler;{FLOW};algorithm_type=sde-dpmsolver++"),
    ("flux", "FlowMatchEulerDiscreteScheduler;use_karras_sigmas=true"),
    ("flux", f"UniPCMultistepScheduler;{FLOW};solver_order=3"),
    ("qwen-image", "FlowMatchEulerDiscreteScheduler;shift_terminal=0.02"),
]


@pytest.mark.parametrize(("model", "scheduler"), SAMPLE)
def test_variants_keep_the_law_step_by_step(bench: Bench, model: str, scheduler: str) -> None:
    assert str(swapped(bench, model, scheduler, [ONE_STEP_EACH])) == "equal"


@pytest.mark.parametrize(
    "scheduler", ["KarrasVeScheduler", "RePaintScheduler", "DDPMWuerstchenScheduler", "AmusedScheduler"]
)
def test_classes_for_other_tasks_are_never_silently_wrong(bench: Bench, scheduler: str) -> None:
    assert swapped(bench, "sd15", scheduler, [(0.5,)]).holds


def test_every_scheduler_class_of_diffusers_stands_in_the_table() -> None:
    import diffusers

    classes = {name for name in dir(diffusers) if name.endswith("Scheduler")}
    assert classes == {name.partition(";")[0] for name in (*schedulers_for("sd15"), *schedulers_for("sd3"), *OTHERS)}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["sd15", "sdxl", "sd3", "flux", "qwen-image", "z-image"])
def test_no_variant_is_silently_wrong(bench: Bench, model: str) -> None:
    wrong = {}
    for scheduler in schedulers_for(model):
        for address in variants(scheduler):
            verdict = swapped(bench, model, address, FEWER)
            if not verdict.holds:
                wrong[address] = str(verdict)
    assert not wrong


@pytest.mark.slow
def test_no_other_class_is_silently_wrong(bench: Bench) -> None:
    verdicts = {scheduler: swapped(bench, "sd15", scheduler, [(0.5,)]) for scheduler in OTHERS}
    assert not {scheduler: str(verdict) for scheduler, verdict in verdicts.items() if not verdict.holds}
