"""A plan tells what the run then does, and loads nothing."""

from typing import Any

import pytest

from jupyter_latents import register_converter
from jupyter_latents.display.tables.plan import plan_html
from jupyter_latents.errors import ModelError
from jupyter_latents.latents import CLEAN, Resume
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

PAIRS = {
    "sd15": "",
    "sd2": "--scheduler HeunDiscreteScheduler",
    "sdxl": "--scheduler DDIMScheduler",
    "sd3": "",
    "flux": "",
}


class Widen:
    """A converter from 4 to 16 channels."""

    def __call__(self, clean: Any) -> Any:
        return clean.repeat(1, 4, 1, 1)


def pair(family: str, options: str = "") -> str:
    stage = f"<{family}> --prompts cat --seeds 3 --inference-steps 8 --output-size 64 {options}"
    rest = f"<{family}> --prompts dog --inference-steps 8 {options} --image-seeds 'latents: base'"
    return f"{stage} --denoising-end 0.5 --into base\n\n{rest} --into final"


@pytest.mark.kept_models(False)
@pytest.mark.parametrize("family", PAIRS)
def test_the_plan_is_what_the_run_does(family: str, desk: Desk) -> None:
    plan = desk.plan(pair(family, PAIRS[family]))
    assert plan.refused == ()
    assert desk.session.engine.cache.loads == 0
    results = desk.run(pair(family, PAIRS[family])).results
    for planned, result in zip(plan.stages, results, strict=True):
        assert planned.span == result.span
        assert planned.evaluations == result.evaluations
        assert planned.end == result.latents.noise
        assert planned.outline is not None
        assert planned.outline.position == result.latents.position
        assert planned.outline.shape == result.latents.shape
    assert plan.stages[1].verdict == "exact continuation"


def test_the_plan_of_an_image_counts_what_its_strength_leaves(desk: Desk) -> None:
    desk.run("<sd15> --prompts cat --seeds 3 --inference-steps 4 --output-size 64 --into done")
    script = "<sd15> --prompts cat --seeds 3 --inference-steps 8 --image-seeds done --image-seed-strengths 0.5"
    (planned,) = desk.plan(script).stages
    (result,) = desk.run(script).results
    assert (planned.mode, planned.span, planned.evaluations) == ("img2img", result.span, result.evaluations)


def test_the_plan_names_what_is_converted(desk: Desk) -> None:
    script = pair("sd15", "--scheduler EulerDiscreteScheduler").replace("dog", "dog --scheduler DDIMScheduler", 1)
    script = script.replace(
        "--scheduler DDIMScheduler --inference-steps 8 --scheduler EulerDiscreteScheduler",
        "--scheduler DDIMScheduler --inference-steps 8",
    )
    plan = desk.plan(script)
    assert plan.stages[1].verdict == "converted form"
    assert "form converted from VE to VP" in plan.stages[1].notes


def test_the_plan_says_which_space_is_bridged(desk: Desk) -> None:
    script = pair("sd15").replace("<sd15> --prompts dog", "<sd3> --prompts dog")
    assert "bridged space" in desk.plan(script).stages[1].verdict
    register_converter("SD", "SD3", Widen())
    try:
        assert desk.plan(script).stages[1].verdict.endswith("by the registered converter Widen")
        desk.run(script)
        assert any("by the registered converter Widen, noised again" in line for line in desk.notes.lines)
    finally:
        register_converter("SD", "SD3", None)
    assert "converter" not in desk.plan(script).stages[1].verdict


@pytest.mark.parametrize(("size", "family"), [(64, "flux2"), (72, "sd3"), (64, "sdxl-refiner")])
def test_the_plan_of_a_crossing_knows_the_size_that_the_run_has(size: int, family: str, desk: Desk) -> None:
    """Flux.2's latent pixels are 16 wide, SD3 takes multiples of 16, the refiner has no text to image."""
    script = pair("sd15").replace("--output-size 64", f"--output-size {size}")
    script = script.replace("<sd15> --prompts dog", f"<{family}> --prompts dog")
    plan = desk.plan(script)
    results = desk.run(script).results
    assert plan.stages[1].outline.shape == results[1].latents.shape
    assert plan.stages[1].span == results[1].span


def test_the_plan_refuses_with_the_reason_and_goes_on(desk: Desk) -> None:
    plan = desk.plan(
        "<sdxl-refiner> --prompts cat --seeds 1\n\nno/such --prompts cat\n\n"
        "<sd15> --prompts cat --seeds 1 --inference-steps 4"
    )
    assert "no txt2img pipeline" in plan.stages[0].refused
    assert "neither a demo model" in plan.stages[1].refused
    assert plan.stages[2].evaluations == 5  # PNDM repeats its first timestep
    assert "2 refused" in repr(plan)


def test_planning_binds_and_writes_nothing(desk: Desk, tmp_path) -> None:
    desk.plan(f"<sd15> --prompts cat --seeds 1 --output-path {tmp_path}/out --into base")
    assert "base" not in desk.session.names
    assert not (tmp_path / "out").exists()


def test_the_plan_shows_hostile_names_as_text(desk: Desk) -> None:
    html = plan_html(desk.plan("'./<img src=x onerror=alert(1)>' --prompts cat"))
    assert "<img" not in html
    assert "&lt;img" in html


def test_latents_say_how_they_fit(desk: Desk) -> None:
    desk.run("<sd15> --prompts cat --seeds 3 --inference-steps 8 --output-size 64 --denoising-end 0.5 --into base")
    base = desk["base"]
    assert desk.session.fits(base, str(desk.models("sd15"))) == "exact continuation"
    assert desk.session.fits(base, str(desk.models("sd3"))).startswith("bridged space")
    assert desk.session.fits(base, "no/such").startswith("impossible")
    clean = base.replace(noise=CLEAN, position=None, resume=None)
    assert "--denoising-end" in desk.session.fits(clean, str(desk.models("sd15"))), "as it is typed in a cell"


def test_a_verdict_promises_no_exact_continuation_without_history(desk: Desk) -> None:
    desk.run("<sd15> --prompts cat --seeds 3 --inference-steps 8 --output-size 64 --denoising-end 0.5 --into base")
    base, model = desk["base"], str(desk.models("sd15"))
    said = desk.session.fits(base.replace(resume=None), model)
    assert said == "same schedule, without history; continues without history: these latents carry no scheduler state"
    old = Resume(base.resume.scheduler, base.resume.generator, {"diffusers": "0.20.0"})
    said = desk.session.fits(base.replace(resume=old), model)
    assert said.startswith("same schedule, without history; continues without history: it was written with diffusers 0")


@pytest.mark.kept_models(False)
def test_the_plan_names_each_optimization_and_what_becomes_of_the_law(desk: Desk) -> None:
    plan = desk.plan(pair("sd15", "--optimize taylorseer;interval=2 channels-last"))
    exact, cached = plan.stages[1].notes
    assert exact.startswith("optimized: channels-last (")
    assert "the split law holds" in exact
    assert cached.startswith("approximate: taylorseer;interval=2;order=1;warmup=3 (")
    assert "the split law does not hold; measured error" in cached
    assert plan.stages[1].verdict == "same schedule, approximate steps"
    assert cached in repr(plan)
    assert desk.session.engine.cache.loads == 0
    desk.run(pair("sd15", "--optimize taylorseer;interval=2 channels-last"))
    assert {exact, cached} <= set(desk.notes.lines), "the run says the same"


def test_only_equally_optimized_stages_continue_exactly(desk: Desk) -> None:
    script = pair("sd15", "--optimize channels-last")
    assert desk.plan(script).stages[1].verdict == "exact continuation"
    first, second = script.split("\n\n")
    mixed = first + "\n\n" + second.replace("--optimize channels-last", "")
    assert desk.plan(mixed).stages[1].verdict == "same schedule, optimized otherwise"
    desk.run(first)
    assert desk.plan(second).stages[1 - 1].verdict == "exact continuation"
    assert desk.session.fits(desk["base"], str(desk.models("sd15"))) == "same schedule, optimized otherwise"


def test_the_plan_refuses_optimizations_that_a_model_cannot_have(desk: Desk) -> None:
    (planned,) = desk.plan("<sd3> --prompts cat --seeds 1 --optimize compile channels-last").stages
    assert "--optimize channels-last is not for" in planned.refused
    assert planned.error is not None
    assert planned.error.place is not None
    assert planned.error.place.text[planned.error.place.column - 1 :].startswith(("--optimize", "compile"))


@pytest.mark.kept_models(False)
@pytest.mark.parametrize("scheduler", ["FlowMatchEulerDiscreteScheduler", "FlowMatchLCMScheduler"])
def test_a_scheduler_of_flow_models_is_refused_for_others_before_weights_load(scheduler: str, desk: Desk) -> None:
    (planned,) = desk.plan(f"<sd15> --prompts cat --seeds 1 --scheduler {scheduler}").stages
    assert "is for flow models, and SD is none" in planned.refused
    with pytest.raises(ModelError, match="is for flow models"):
        desk.run(f"<sd15> --prompts cat --seeds 1 --scheduler {scheduler}")
    assert desk.session.engine.cache.loads == 0


def test_what_is_kept_of_an_entry_without_history_counts_its_repeat(desk: Desk) -> None:
    """PNDM runs the timestep after its entry twice: the plan, the run and what is kept count it alike."""
    first = "<sd15>\n--prompts x --inference-steps 8 --output-size 64x64 --seeds 1"
    desk.run(f"{first} --scheduler EulerDiscreteScheduler --denoising-end 0.5 --into base")
    second = '<sd15>\n--prompts x --inference-steps 8 --seeds 1 --image-seeds "latents: base"'
    part = desk.run(f"{second} --denoising-end 0.8")
    assert part.results[0].evaluations == desk.plan(second).stages[0].saved == 3
    assert desk.plan(second).stages[0].evaluations == 5
    whole = desk.run(second)
    assert (whole.results[0].evaluations, whole.results[0].saved) == (2, 3)
    again = desk.run(second)
    assert (again.results[0].evaluations, again.results[0].saved) == (0, 5)
