"""Stages are remembered: what is kept is never computed again, and what is computed is what would have been."""

import itertools
from dataclasses import replace

import pytest
import torch

from jupyter_latents.errors import RunError
from jupyter_latents.session import Session
from jupyter_latents.settings import Settings
from jupyter_latents.stage import ModelSource
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

HALF = "<sd15> --prompts cat --seeds 3 --inference-steps 8 --output-size 64 --scheduler EulerAncestralDiscreteScheduler"


def evaluations(desk: Desk, text: str) -> int:
    return desk.run(text).model_evaluations


def test_the_same_stage_again_costs_no_evaluation(desk: Desk) -> None:
    assert evaluations(desk, f"{HALF} --into first") == 8
    assert evaluations(desk, f"{HALF} --into second") == 0
    assert torch.equal(desk["first"].tensor, desk["second"].tensor)


def test_a_later_end_runs_only_the_missing_steps(desk: Desk) -> None:
    assert evaluations(desk, f"{HALF} --denoising-end 0.5 --into part") == 4
    assert evaluations(desk, f"{HALF} --into continued") == 4
    assert evaluations(desk, f"{HALF} --force --into whole") == 8
    assert torch.equal(desk["continued"].tensor, desk["whole"].tensor)
    continued, whole = (replace(desk[name].provenance, cell="") for name in ("continued", "whole"))
    assert continued == whole
    assert desk["continued"].provenance.cell == desk["whole"].provenance.cell.replace("whole", "continued")
    assert [item.position.step for item in desk["continued"].trajectory] == list(range(1, 9))


def test_an_earlier_end_is_answered_from_the_steps_kept(desk: Desk) -> None:
    desk.run(f"{HALF} --into whole")
    assert evaluations(desk, f"{HALF} --denoising-end 0.5 --into part") == 0
    assert evaluations(desk, f"{HALF} --denoising-end 0.5 --force --into again") == 4
    assert torch.equal(desk["part"].tensor, desk["again"].tensor)
    assert desk["part"].position == desk["again"].position


def test_a_sweep_of_ends_costs_the_longest_alone(desk: Desk) -> None:
    script = (
        "{% for f in [0.25, 0.5, 0.75] %}\n" + f"{HALF} --denoising-end {{{{ f }}}} --into part\n\n" + "{% endfor %}\n"
    )
    assert evaluations(desk, script) == 6


def test_force_runs_again(desk: Desk) -> None:
    desk.run(HALF)
    assert evaluations(desk, f"{HALF} --force") == 8


def test_a_forced_part_that_is_what_was_kept_leaves_the_whole(desk: Desk) -> None:
    desk.run(f"{HALF} --into whole")
    assert evaluations(desk, f"{HALF} --denoising-end 0.5 --force") == 4
    assert evaluations(desk, f"{HALF} --into again") == 0
    assert torch.equal(desk["again"].tensor, desk["whole"].tensor)


def test_a_forced_part_that_is_another_takes_the_place_of_the_whole(desk: Desk) -> None:
    unet = desk.session.engine.cache.load(ModelSource(str(desk.models("sd15")))).parts["unet"]
    handle = unet.register_forward_hook(lambda _module, _inputs, output: (output[0] * 2,))
    desk.run(HALF)
    handle.remove()
    assert evaluations(desk, f"{HALF} --denoising-end 0.5 --force") == 4
    assert evaluations(desk, f"{HALF} --into again") == 4
    assert torch.equal(desk["again"].tensor, Desk(desk.models, Session()).run(HALF).result.tensor)


def test_another_option_is_another_stage(desk: Desk) -> None:
    desk.run(HALF)
    for change in ("--guidance-scales 3", "--negative-prompts dog", "--clip-skips 1", "--batch-size 2"):
        assert evaluations(desk, f"{HALF} {change}") == 8, change


def test_editing_the_second_stage_runs_the_second_only(desk: Desk) -> None:
    first = f"{HALF} --denoising-end 0.5 --into base\n\n"
    second = "<sd2> --prompts {} --inference-steps 8 --image-seeds 'latents: base' --into final"
    assert evaluations(desk, first + second.format("dog")) == 8
    assert evaluations(desk, first + second.format("bird")) == 4
    assert evaluations(desk, first + second.format("bird")) == 0


def test_editing_the_first_stage_runs_both(desk: Desk) -> None:
    second = "<sd2> --prompts dog --inference-steps 8 --image-seeds 'latents: base'"
    script = f"{HALF} --denoising-end 0.5 --into base\n\n{second}"
    desk.run(script)
    assert evaluations(desk, script.replace("--seeds 3", "--seeds 4")) == 8


def test_a_random_seed_is_never_answered_from_memory(desk: Desk) -> None:
    script = HALF.replace("--seeds 3", "--gen-seeds 1")
    assert evaluations(desk, script) + evaluations(desk, script) == 16


def test_latents_without_history_are_not_taken_for_those_with_it(desk: Desk) -> None:
    desk.run(f"{HALF} --denoising-end 0.5 --into base")
    desk.session.names["bare"] = desk["base"].replace(resume=None)
    options = "--prompts cat --inference-steps 8 --scheduler EulerAncestralDiscreteScheduler"
    rest = f"<sd15> {options} --image-seeds 'latents: {{}}'"
    desk.run(rest.format("base"))
    assert evaluations(desk, rest.format("bare")) == 4


def test_the_budget_thins_the_oldest_first_and_goes_on_from_what_is_left(desk: Desk) -> None:
    desk.run(f"{HALF} --into whole")
    each = sum(3 * item.tensor.nbytes for item in (*desk["whole"].trajectory, desk["whole"]))
    desk.session.memo.settings = Settings(trajectory_memory=each * 7 // 4)
    desk.run(HALF.replace("--seeds 3", "--seeds 4"))
    assert evaluations(desk, f"{HALF} --denoising-end 0.75 --into there") == 0
    assert evaluations(desk, f"{HALF} --denoising-end 0.875 --into between") == 1
    assert desk.notes.lines[-1] == "6 of 7 model evaluations kept from before (--force runs them again)"
    assert torch.equal(desk["between"].tensor, desk["whole"].at(step=7).tensor)
    assert evaluations(desk, f"{HALF} --into end") == 0


def test_nine_splits_cost_the_longest_alone(desk: Desk) -> None:
    script = "".join(
        f"{HALF.replace('steps 8', 'steps 10')} --denoising-end 0.{tenth} --into part\n\n"
        f"<sd2> --prompts dog --inference-steps 10 --image-seeds 'latents: part'\n\n"
        for tenth in range(1, 10)
    )
    planned = desk.plan(script)
    assert (planned.model_evaluations, planned.saved_evaluations) == (54, 36)
    run = desk.run(script)
    assert sum(result.evaluations for result in run.results[::2]) == 9, "0.9 N, not 4.5 N"
    assert sum(result.evaluations for result in run.results[1::2]) == 45
    assert run.saved_evaluations == 45 - 9
    run = desk.run(script)
    assert (run.model_evaluations, run.saved_evaluations) == (0, 90)
    planned = desk.plan(script)
    assert (planned.model_evaluations, planned.saved_evaluations) == (0, 90)
    assert "0 model evaluations (90 more are kept from before)" in repr(planned)
    planned = desk.plan(script.replace("dog", "bird"))
    assert (planned.model_evaluations, planned.saved_evaluations) == (45, 45), "the second stages alone"
    assert desk.plan(f"{script.strip()} --force").stages[-1].saved == 0


def test_the_budget_drops_the_least_recently_used(desk: Desk) -> None:
    desk.session.memo.settings = Settings(trajectory_memory=1)
    desk.run(HALF)
    desk.run(HALF.replace("--seeds 3", "--seeds 4"))
    assert evaluations(desk, HALF) == 8


def test_a_second_stage_runs_for_each_of_several_ends_and_repeats_no_step(desk: Desk) -> None:
    ends = " ".join(f"0.{tenth}" for tenth in range(1, 10))
    script = (
        f"{HALF.replace('steps 8', 'steps 10')} --denoising-end {ends} --into parts\n\n"
        "<sd2> --prompts dog --inference-steps 10 --image-seeds 'latents: parts' --into finals\n\n"
        "<sd15> --prompts bird --inference-steps 10 --image-seeds finals --seeds 1 --image-seed-strengths 0.2"
    )
    planned = desk.plan(script)
    assert len(planned.stages) == 19
    assert sum(stage.evaluations - stage.saved for stage in planned.stages[:18]) == 9 + 45
    run = desk.run(script)
    assert [result.evaluations for result in run.results[:9]] == [1] * 9
    assert [result.evaluations for result in run.results[9:18]] == list(range(9, 0, -1))
    assert desk["finals"].label(8) == "denoising end 0.9"
    assert "without history" not in " ".join(desk.notes.lines)
    desk.run("<sd2> --prompts dog --inference-steps 10 --image-seeds 'latents: parts[3]' --force --into one")
    assert torch.equal(desk["one"].tensor, desk["finals"][3].tensor)


def test_a_stage_through_ones_own_converter_is_not_remembered(desk: Desk) -> None:
    """Another converter is another result, and no digest tells two apart."""
    from jupyter_latents.engine.vae.bridge import register_converter

    desk.run("<sd15> --prompts cat --seeds 3 --inference-steps 8 --output-size 64 --denoising-end 0.5 --into base")
    script = "<sdxl> --prompts cat --inference-steps 8 --image-seeds 'latents: base' --into last"
    made = []
    try:
        for factor in (1.0, 2.0):
            register_converter("SD", "SDXL", lambda clean, factor=factor: clean * factor)
            desk.run(script)
            made.append(desk["last"].digest)
    finally:
        register_converter("SD", "SDXL", None)
    assert made[0] != made[1]


def test_optimized_stages_are_stages_of_their_own(desk: Desk) -> None:
    assert evaluations(desk, f"{HALF} --into plain") == 8
    for choices in ("channels-last", "taylorseer", "taylorseer;interval=2"):
        assert evaluations(desk, f"{HALF} --optimize {choices} --into optimized") == 8, choices
        assert evaluations(desk, f"{HALF} --optimize {choices} --into again") == 0, choices
        assert not torch.equal(desk["optimized"].tensor, desk["plain"].tensor), choices
    assert evaluations(desk, f"{HALF} --into again") == 0
    assert torch.equal(desk["again"].tensor, desk["plain"].tensor)


def test_exact_optimizations_go_on_from_what_is_kept(desk: Desk) -> None:
    optimized = f"{HALF} --optimize channels-last"
    assert evaluations(desk, f"{optimized} --denoising-end 0.5") == 4
    assert desk.plan(optimized).saved_evaluations == 4
    assert evaluations(desk, f"{optimized} --into continued") == 4
    assert evaluations(desk, f"{optimized} --force --into whole") == 8
    assert torch.equal(desk["continued"].tensor, desk["whole"].tensor)


def test_with_a_step_cache_what_is_kept_answers_but_is_not_gone_on_from(desk: Desk) -> None:
    """A run continued with an empty cache is another run: results must not depend on what ran before."""
    cached = f"{HALF} --optimize taylorseer"
    assert evaluations(desk, f"{cached} --denoising-end 0.5 --into part") == 4
    assert desk.plan(cached).saved_evaluations == 0
    assert evaluations(desk, f"{cached} --into whole") == 8
    assert torch.equal(desk["whole"].at(step=4).tensor, desk["part"].tensor)
    assert desk.plan(f"{cached} --denoising-end 0.75").saved_evaluations == 6
    assert evaluations(desk, f"{cached} --denoising-end 0.75 --into earlier") == 0
    assert evaluations(desk, f"{cached} --denoising-end 0.75 --force --into forced") == 6
    assert torch.equal(desk["earlier"].tensor, desk["forced"].tensor)
    script = "".join(f"{cached} --seeds 5 --denoising-end {end}\n\n" for end in (0.5, 0.75)).replace("--seeds 3 ", "")
    assert desk.plan(script).model_evaluations == desk.run(script).model_evaluations == 10


def test_labels_of_a_product_end_with_what_is_long(desk: Desk) -> None:
    desk.run('demo/scenes --prompts "a day" "a night" --seeds 1 2 --inference-steps 1 --into many')
    assert [desk["many"].label(index) for index in range(4)] == [
        "seed 1, prompt a day", "seed 2, prompt a day", "seed 1, prompt a night", "seed 2, prompt a night",
    ]  # fmt: skip


def test_what_a_run_had_done_when_it_failed_is_not_done_again(desk: Desk) -> None:
    whole = Desk(desk.models, Session()).run(HALF).result.tensor
    broken = desk.session.engine.cache.load(ModelSource(str(desk.models("sd15")))).parts
    calls = itertools.count()

    def fails(_module: object, _inputs: object) -> None:
        if next(calls) == 5:
            raise RuntimeError("a kernel is missing")

    handle = broken["unet"].register_forward_pre_hook(fails)
    with pytest.raises(RunError, match="a kernel is missing"):
        desk.run(HALF)
    run = desk.run(HALF)
    handle.remove()
    assert (run.model_evaluations, run.saved_evaluations) == (3, 5)
    assert torch.equal(run.result.tensor, whole)


def test_a_picture_that_could_not_be_decoded_costs_a_step_and_not_the_run(desk: Desk) -> None:
    picture = Desk(desk.models, Session()).run(HALF).results[0].images[0]
    vae = desk.session.engine.cache.load(ModelSource(str(desk.models("sd15")))).parts["vae"]

    def fails(_module: object, _inputs: object) -> None:
        raise RuntimeError("a kernel is missing")

    handle = vae.decoder.register_forward_pre_hook(fails)
    with pytest.raises(RunError, match="a kernel is missing"):
        desk.run(HALF)
    handle.remove()
    run = desk.run(HALF)
    assert run.model_evaluations == 1
    assert run.results[0].images[0].tobytes() == picture.tobytes()
