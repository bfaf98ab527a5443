"""Seeds run as one batch where the script asks for it: the latents of single runs, to the last bits."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.models.families import generic
from jupyter_latents.engine.rules.sharing import sharing_note
from jupyter_latents.latents import LatentsSequence
from jupyter_latents.session import Session
from jupyter_latents.stage import ModelSource, Stage
from tests.engine.cases import relative
from tests.session.conftest import Desk
from tests.session.runs.test_out_of_memory import full_when, part

pytestmark = pytest.mark.kept_models

SEEDS = "--seeds 3 4 5"
SCRIPT = f"{{model}} --prompts cat {SEEDS} --inference-steps 6 --output-size 64 {{more}} --into made"
ROUNDING = 2e-5
"""Relative difference of a batch and single runs, of which rounding alone explains less than a tenth."""


def script(model: str = "<sd15>", more: str = "") -> str:
    return SCRIPT.format(model=model, more=more if "--scheduler" in more else f"{more} --scheduler DDIMScheduler")


def alone(desk: Desk, text: str) -> LatentsSequence:
    """What a session makes of it one by one."""
    other = Desk(desk.models, Session())
    other.run(text.replace("--batch-seeds", ""))
    return other["made"]


@pytest.mark.parametrize(
    ("model", "scheduler"),
    [
        ("<sd15>", "EulerAncestralDiscreteScheduler"),
        ("<sd15>", "DDPMScheduler"),
        ("<sdxl>", "DPMSolverMultistepScheduler;algorithm-type=sde-dpmsolver++"),
        ("<sd3>", "FlowMatchEulerDiscreteScheduler"),
        ("<flux>", "FlowMatchEulerDiscreteScheduler"),
    ],
)
def test_a_batch_makes_the_latents_of_single_runs(desk: Desk, model: str, scheduler: str) -> None:
    text = script(model, f"--scheduler '{scheduler}' --batch-seeds")
    with full_when(part(desk, "unet"), lambda _: False) as calls:
        run = desk.run(text)
    if model == "<sd15>":
        assert len(calls) == 6, "one call of the model a step, not three"
    singles = alone(desk, text)
    for made, single in zip(desk["made"], singles, strict=True):
        assert relative(made.tensor, single.tensor) < ROUNDING
        assert made.position == single.position
        assert [step.position.step for step in made.trajectory] == [step.position.step for step in single.trajectory]
    assert relative(desk["made"][0].tensor, singles[1].tensor) > 100 * ROUNDING
    assert [result.images[0].size for result in run.results] == [(64, 64)] * 3
    assert run.model_evaluations == 18


def test_each_goes_on_alone_with_its_own_history_and_noise(desk: Desk) -> None:
    more = "--scheduler SASolverScheduler --batch-seeds"
    desk.run(script(more=f"{more} --denoising-end 0.5"))
    options = "--prompts cat --inference-steps 6 --scheduler SASolverScheduler"
    desk.run(f"<sd15> {options} --image-seeds 'latents: made[1]' --into rest")
    assert not [line for line in desk.notes.lines if "without history" in line]
    assert relative(desk["rest"].tensor, alone(desk, script(more=more))[1].tensor) < ROUNDING


def test_what_is_kept_of_a_batch_is_not_run_again_and_not_taken_for_single_runs(desk: Desk) -> None:
    desk.run(script(more="--batch-seeds").replace(SEEDS, "--seeds 3 4"))
    assert desk.run(script(more="--batch-seeds")).model_evaluations == 6
    assert desk.run(script(more="--batch-seeds")).model_evaluations == 0
    assert desk.run(script()).model_evaluations == 18
    assert all(
        torch.equal(made.tensor, single.tensor)
        for made, single in zip(desk["made"], alone(desk, script()), strict=True)
    )


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("--prompt-weighter a1111 --prompts '[cat:dog:0.5]'", "what steers the stage changes during the run"),
        ("--image-seeds photo", "the stage begins with a picture or latents"),
        ("--batch-size 2", "each seed is a batch of 2 already"),
        ("--scheduler DPMSolverSDEScheduler", "DPMSolverSDEScheduler draws its noise from one seed"),
    ],
)
def test_seeds_that_cannot_share_a_batch_are_told(desk: Desk, more: str, why: str) -> None:
    desk.session.names["photo"] = Image.new("RGB", (64, 64), "teal")
    text = script(more=f"{more} --batch-seeds").replace("--prompts cat" if "--prompts" in more else "\0", "")
    text = text.replace("--output-size 64", "") if "photo" in more else text
    said = f"seeds run one after another, not as one batch: {why}"
    assert all(said in stage.notes for stage in desk.plan(text).stages)
    run = desk.run(text)
    assert len(run.results) == 3
    assert said in desk.notes.lines
    assert not any("run as one batch" in line and said not in line for line in desk.notes.lines)
    assert not any(said in stage.notes for stage in desk.plan(text.replace("--batch-seeds", "")).stages)


def test_a_batch_is_told_of_once(desk: Desk) -> None:
    desk.run(script(more="--batch-seeds"))
    assert [line for line in desk.notes.lines if "batch" in line] == [
        "3 seeds run as one batch: their last bits may differ from single runs"
    ]
    desk.run(script(more="--batch-seeds --denoising-end 0.5 --guidance-scales 3 '4@0,2@0.34'"))
    desk.run(script(more="--batch-seeds --guidance-scales '4@0,2@0.34' 3"))
    assert not [line for line in desk.notes.lines if "begins with a picture" in line]


@pytest.mark.parametrize(
    ("before", "seeds", "told"),
    [
        ("", "--seeds 3 3 4", [2]),
        ("", "--seeds 3 3", []),
        ("", "--gen-seeds 2", [2]),
        ("", "--seeds 3 4 --prompts cat dog", [2, 2]),
        ("--seeds 3 --batch-seeds", "--seeds 3 4 5", [2]),
        ("--seeds 4 --batch-seeds", "--seeds 3 4 5", [2]),
        ("--seeds 3 4 --batch-seeds", "--seeds 3 4 5 6", [2]),
    ],
)
def test_a_plan_tells_of_the_batches_that_a_run_makes(desk: Desk, before: str, seeds: str, told: list[int]) -> None:
    text = "<sd15> --inference-steps 2 --output-size 64 --scheduler DDIMScheduler"
    text += "" if "--prompts" in seeds else " --prompts cat"
    if before:
        desk.run(f"{text} {before}")
    asked = f"{text} {seeds} --batch-seeds"
    planned = [note for stage in desk.plan(asked).stages for note in stage.notes if "as one batch" in note]
    desk.run(asked)
    assert [line for line in desk.notes.lines if "as one batch" in line] == planned
    assert [int(note.split()[0]) for note in planned] == told


@pytest.mark.parametrize(
    ("given", "why"),
    [(Given(controls=1), "the stage has a control image"), (Given(adapters=(1,)), "has images of an IP-Adapter")],
)
def test_what_is_put_beside_noise_is_named(given: Given, why: str) -> None:
    assert why in sharing_note(Stage(model=ModelSource("m"), seed=3, batch_seeds=True), given, 1, generic("P"))


def test_a_stopped_batch_leaves_all_its_latents(desk: Desk) -> None:
    text = script(more="--scheduler EulerAncestralDiscreteScheduler --batch-seeds")

    def stop(_: torch.Tensor) -> bool:
        if len(calls) == 3:
            run.stop()
        return False

    with full_when(part(desk, "unet"), stop) as calls:
        run = desk.start(text)
        assert run.wait(60)
    assert [made.position.step for made in desk["made"]] == [4, 4, 4]
    rest = desk.run(text)
    assert rest.model_evaluations == 6
    for made, single in zip(desk["made"], alone(desk, text), strict=True):
        assert relative(made.tensor, single.tensor) < ROUNDING


def test_a_batch_too_large_for_memory_runs_in_halves(desk: Desk) -> None:
    with full_when(part(desk, "unet"), lambda latents: len(latents) > 4) as calls:
        run = desk.run(script(more="--batch-seeds"))
    assert {shape[0] for shape in calls} == {2, 4}, "guidance doubles the batch: one seed, then two"
    assert run.model_evaluations == 18
    assert any("in halves" in line for line in desk.notes.lines)
    for made, single in zip(desk["made"], alone(desk, script()), strict=True):
        assert relative(made.tensor, single.tensor) < ROUNDING


@pytest.mark.parametrize("how", ["fails", "is stopped"])
def test_what_the_first_half_made_is_bound_where_the_second(desk: Desk, how: str) -> None:
    """The batch of three is too large; one seed runs alone, then the two others as a batch."""

    def full(latents: torch.Tensor) -> bool:
        if len(calls) == 6 and how == "is stopped":
            run.stop()
        return len(latents) > 4 or (how == "fails" and len(calls) >= 6)

    with full_when(part(desk, "unet"), full) as calls:
        run = desk.start(script(more="--batch-seeds"))
        assert run.wait(120)
    assert (run.error is not None) == (how == "fails")
    first = desk["made"][0]
    assert (first.is_clean, first.provenance.seed) == (True, 3)
    assert relative(first.tensor, alone(desk, script())[0].tensor) < ROUNDING
    assert desk.run(script(more="--batch-seeds")).saved_evaluations >= 6


def test_several_ends_share_their_steps_and_are_bound_in_order(desk: Desk) -> None:
    text = "<sd15> --prompts cat --seeds 3 --inference-steps 8 --output-size 64 --scheduler DDIMScheduler --into parts"
    run = desk.run(f"{text} --denoising-end 0.25 0.75 0.5")
    assert run.model_evaluations == 6
    assert [made.position.step for made in desk["parts"]] == [2, 6, 4]
    assert desk["parts"].label(1) == "denoising end 0.75"
