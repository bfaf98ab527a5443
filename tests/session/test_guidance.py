"""``--guidance-scales "7@0,2@0.6"`` in scripts: one value, listed, kept, written into pictures and cells."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from jupyter_latents.display.panel.form import StageForm
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.pictures.metadata.a1111 import recipe_of
from jupyter_latents.pictures.metadata.recipe import StagePart
from jupyter_latents.points import read_scales
from jupyter_latents.session.cells.writing import parameters_of
from jupyter_latents.syntax import parse
from jupyter_latents.syntax.compose import compose, from_provenance
from tests import tiny
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

START = "<sd15> --prompts cat --seeds 3 --inference-steps 10 --output-size 64 --scheduler EulerDiscreteScheduler"


def test_guidance_by_points_is_one_value_and_several_values_multiply() -> None:
    (invocation,) = parse(f"{START} --guidance-scales '7@0,2@0.6' 7,1@σ3 5")
    scales = [str(stage.guidance_scale) for stage in invocation.stages()]
    assert scales == ["7@0,2@0.6", "7@0,1@sigma=3", "5.0"]
    assert "--guidance-scales 7@0,2@0.6\n" in compose(invocation.stages())


def test_it_equals_the_stages_by_hand_and_the_plan_lists_the_switch(desk: Desk) -> None:
    script = f"{START} --guidance-scales 7@0,1@0.6 --into made"
    plan = desk.plan(script)
    _, first, second = plan.rows()
    assert (first[:3], first[4]) == (("1.1", "guidance 7", "0–6 of 10"), "6")
    assert (second[:3], second[4]) == (("1.2", "guidance 1", "6–10 of 10"), "4")
    assert first[3].endswith(second[3].partition(" → ")[0])
    assert "the guidance changes after step 6" in plan.stages[0].notes
    (whole,) = desk.run(script).results
    assert whole.switches == (6,)
    assert whole.evaluations == plan.model_evaluations == 10
    by_hand = desk.run(
        f"{START} --guidance-scales 7 --denoising-end 6 --into half\n\n"
        f"{START} --guidance-scales 1 --denoising-start 6 --image-seeds 'latents: half'"
    ).results[-1]
    assert torch.equal(whole.latents.tensor, by_hand.latents.tensor)


@pytest.mark.parametrize(
    ("scale", "count"), [("1", 10), ("0.5", 10), ("0", 10), ("1@0,0.5@6", 10), ("1.1", 0), ("7@0,1@6", 0)]
)
def test_the_plan_says_how_many_passes_are_left_at_one_and_below(desk: Desk, scale: str, count: int) -> None:
    plan = desk.plan(f"{START} --guidance-scales {scale}")
    told = f"{count} passes of the denoiser, one a step"
    assert (told in plan.rows()[0][-1]) == bool(count)
    assert (plan.stages[0].course.passes == 10) == bool(count)
    assert plan.stages[0].evaluations == 10


def test_where_it_comes_from_is_told(desk: Desk) -> None:
    (result,) = desk.run(f"{START} --guidance-scales 7@0,2@0.6").results
    latents = result.latents
    assert latents.provenance.guidance_scale == 7.0
    assert latents.provenance.options["guidance_scale"] == "7@0,2@0.6"
    assert latents.facts()["guidance"] == "7@0,2@0.6"
    assert from_provenance(latents).guidance_scale == read_scales("7@0,2@0.6")
    assert "--guidance-scales 7@0,2@0.6" in latents.provenance.cell
    text = parameters_of(latents)
    assert 'CFG scale: 7, CFG schedule: "7@0,2@0.6"' in text
    part = recipe_of(text).parts[0]
    assert isinstance(part, StagePart)
    assert part.stage.guidance_scale == read_scales("7@0,2@0.6")


def test_a_sweep_over_the_switch_costs_the_common_steps_once(desk: Desk) -> None:
    script = f"{START} --guidance-scales 7@0,2@0.4 7@0,2@0.6 7@0,2@0.8 7@0,2@1"
    plan = desk.plan(script)
    assert [stage.saved for stage in plan.stages] == [0, 4, 6, 8]
    results = desk.run(script).results
    assert [result.evaluations for result in results] == [10, 6, 4, 2]
    assert desk.plan(script).model_evaluations == 0
    for result, forced in zip(results, desk.run(f"{script} --force").results, strict=True):
        assert forced.evaluations == 10
        assert torch.equal(result.latents.tensor, forced.latents.tensor)
        assert result.latents.provenance.options == forced.latents.provenance.options
        assert result.switches == forced.switches


@pytest.mark.parametrize("scales", [("7", "7@0,2@0.6"), ("7@0,2@0.6", "7"), ("7", "7@0,2@0.4", "7@0,2@1")])
def test_one_scale_shares_its_steps_with_scales_that_begin_so(desk: Desk, scales: tuple[str, ...]) -> None:
    script = f"{START} --guidance-scales {' '.join(scales)}"
    expected = {2: [10, 4], 3: [10, 6, 1]}[len(scales)]
    assert [stage.evaluations - stage.saved for stage in desk.plan(script).stages] == expected
    results = desk.run(script).results
    assert [result.evaluations for result in results] == expected
    for result, forced in zip(results, desk.run(f"{script} --force").results, strict=True):
        assert torch.equal(result.latents.tensor, forced.latents.tensor)
        assert result.latents.provenance.options == forced.latents.provenance.options
        assert result.switches == forced.switches


def test_one_scale_that_ends_early_shares_what_it_has(desk: Desk) -> None:
    desk.run(f"{START} --guidance-scales 7 --denoising-end 0.3")
    assert desk.run(f"{START} --guidance-scales 7@0,2@0.6").model_evaluations == 7
    assert desk.run(f"{START} --guidance-scales 7").model_evaluations == 4
    assert desk.run(f"{START} --guidance-scales 6").model_evaluations == 10


def test_what_is_put_on_a_model_is_told_as_the_script_writes_it(desk: Desk, tmp_path: Path) -> None:
    files = [tiny.inversion(tmp_path / f"{name}.safetensors", vectors=1) for name in ("fox", "owl")]
    named = [f"{file};token=<{file.stem}>" for file in files]
    script = f"{START} --textual-inversions {' '.join(map(repr, named))}".replace("cat", "'a <fox> <owl>'")
    options = desk.run(script).results[0].latents.provenance.options
    assert options["textual_inversions"] == " ".join(named)


def test_what_is_common_says_where_it_comes_from_by_the_stage_that_asks(desk: Desk) -> None:
    desk.run(f"{START} --guidance-scales 7@0,2@0.8 --denoising-end 0.4")
    result = desk.run(f"{START} --guidance-scales 7@0,2@0.6 --denoising-end 0.4").results[0]
    assert {step.provenance.options["guidance_scale"] for step in result.latents.trajectory} == {"7@0,2@0.6"}
    assert result.evaluations == 1


def test_other_guidance_before_the_switch_is_another_stage(desk: Desk) -> None:
    script = f"{START} --guidance-scales 7@0,2@0.4 6@0,2@0.6"
    assert [result.evaluations for result in desk.run(script).results] == [10, 10]


def test_the_panel_takes_it() -> None:
    form = StageForm(model="demo/scenes", guidance="7@0,2@0.6 5")
    assert form.lines()["guidance_scales"] == "--guidance-scales 7@0,2@0.6 5"


@pytest.mark.kept_models(False)
@pytest.mark.parametrize(
    ("options", "message", "part"),
    [
        ("--guidance-scales 7@0,2@1.5", "'1.5' is not allowed; give a fraction, 0 or more and at most 1", "1.5"),
        ("--guidance-scales 7@0,2@0.6,3@0.6", "@0.6 does not come after @0.6", "0.6"),
        ("--guidance-scales 7@0.2,2@0.6", "with which scale the run begins", "0.2"),
        ("--guidance-scales 7@0,2@40", "--guidance-scales 40 is outside the run, which has 10 steps", "7@0,2@40"),
        ("--guidance-scales 7@0,2@sigma=99", "a noise level of σ 8.39 to 0", "7@0,2@sigma=99"),
        ("--guidance-scales 7@0,2@0.41,3@0.42", "2 holds for no step, for @0.41 is step 4 and @0.42 step 4", "7@0"),
        ("--guidance-scales 7@0,2@0.8,3@4", "@0.8 is step 8 and @4 step 4 of 10", "7@0"),
        ("--denoising-end 40", "--denoising-end 40 is outside the run, which has 10 steps", "40"),
        ("--denoising-end sigma=99", "give a step of 2 to 10, a fraction of 0 to 1, or a noise level of", "sigma=99"),
    ],
)
def test_what_is_wrong_has_its_place(desk: Desk, options: str, message: str, part: str) -> None:
    with pytest.raises(JupyterLatentsError) as caught:
        desk.run(f"{START} {options}")
    assert message in caught.value.message
    place = caught.value.place
    assert place is not None
    assert place.text[place.column - 1 :].startswith(part)
    assert desk.session.engine.cache.loads == 0


def test_windows_are_given_by_steps_and_noise_levels_too(desk: Desk) -> None:
    (planned,) = desk.plan(f"{START} --denoising-end 4").stages
    assert planned.span is not None
    level = planned.end
    assert (planned.span.end, level is not None) == (4, True)
    ends = [f"{START} --denoising-end {text}" for text in (f"sigma={level.own_sigma}", f"σ{level.own_sigma:.3g}", 0.4)]
    assert [plan.stages[0].span.end for plan in map(desk.plan, ends)] == [4, 4, 4]
