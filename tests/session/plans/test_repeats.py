"""A stage that an earlier one of the same script answers is not run again, and the plan knows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

SHORT = "--prompts cat --inference-steps 4 --output-size 64"
ONE = f"<sd15> {SHORT} --seeds 1"
BASE = f"{ONE} --denoising-end 0.5 --into base"
REST = "<sd15> --prompts dog --inference-steps 4 --image-seeds 'latents: base' --into final"
PICTURE = "<sd15> --prompts dog --seeds 2 --inference-steps 4 --image-seeds 'whole' --into other"
PAINTED = PICTURE.replace("whole", "whole;mask=whole")
HALF = "--denoising-end 0.75"

SCRIPTS = {
    "the same stage twice": (ONE, ONE),
    "the same stage under two names": (f"{ONE} --into a", f"{ONE} --into b"),
    "equal seeds": (f"<sd15> {SHORT} --seeds 1 2 1",),
    "equal values of a sweep": (f"{ONE} --guidance-scales 3 3.0",),
    "equal seeds as one batch": (f"<sd15> {SHORT} --seeds 1 2 1 --batch-seeds",),
    "a part, then the whole": (f"{ONE} {HALF}", ONE),
    "the whole, then a part": (ONE, f"{ONE} {HALF}"),
    "two parts, the later one shorter": (f"{ONE} {HALF}", f"{ONE} --denoising-end 0.5", ONE),
    "two stages, each twice": (BASE, REST, BASE, REST),
    "the second stage twice": (BASE, REST, REST),
    "a part of the second stage, then all of it": (BASE, f"{REST} {HALF}", REST),
    "another text for the second stage": (BASE, REST, REST.replace("dog", "cow")),
    "equal latents under two names": (BASE, BASE.replace("base", "twin"), REST, REST.replace("base", "twin")),
    "latents of two seeds": (BASE, BASE.replace("seeds 1", "seeds 2").replace("base", "twin"), REST,
                             REST.replace("base", "twin")),
    "three stages in a row, twice": (BASE, f"{REST} {HALF}", REST.replace("base", "final").replace("'  ", "'"),
                                     BASE, f"{REST} {HALF}", REST.replace("base", "final")),
    "a picture of an earlier stage, twice": (f"{ONE} --into whole", PICTURE, PICTURE),
    "a part of a picture's stage, then all of it": (f"{ONE} --into whole", f"{PICTURE} {HALF}", PICTURE),
    "a picture and a mask, twice": (f"{ONE} --into whole", PAINTED, PICTURE, PAINTED),
    "pictures of two seeds": (f"{ONE} --into whole", PICTURE, f"<sd15> {SHORT} --seeds 5 --into whole",
                              PICTURE),
    "latents that are changed on the way, twice": (BASE, f"{REST} --latents-processors 'scale;factor=0.9'",
                                                   f"{REST} --latents-processors 'scale;factor=0.9'", REST),
    "a sequence, twice": (BASE.replace("seeds 1", "seeds 1 2"), REST, REST),
    "the second of two is forced": (ONE, f"{ONE} --force", ONE),
    "the first of two is forced": (f"{ONE} --force", ONE),
    "the seed is drawn": (f"<sd15> {SHORT} --gen-seeds 1", f"<sd15> {SHORT} --gen-seeds 1"),
    "approximate steps cannot be gone on from": (f"{ONE} {HALF} --optimize taylorseer;interval=2",
                                                 f"{ONE} --optimize taylorseer;interval=2") * 2,
    "two evaluations a step": (f"{ONE} {HALF} --scheduler HeunDiscreteScheduler",
                               f"{ONE} --scheduler HeunDiscreteScheduler"),
}  # fmt: skip


def check(desk: Desk, lines: tuple[str, ...], before: tuple[str, ...] = ()) -> None:
    if before:
        desk.run("\n\n".join(before))
    script = "\n\n".join(lines)
    plan = desk.plan(script)
    run = desk.run(script)
    assert [stage.evaluations - stage.saved for stage in plan.stages] == [one.evaluations for one in run.results]
    assert plan.model_evaluations == run.model_evaluations


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_plan_counts_what_an_earlier_stage_answers(name: str, desk: Desk) -> None:
    check(desk, SCRIPTS[name])


@pytest.mark.parametrize("name", ["a part, then the whole", "two stages, each twice", "the second stage twice"])
def test_what_a_run_before_left_is_counted_once(name: str, desk: Desk) -> None:
    check(desk, SCRIPTS[name], (BASE,))
    check(desk, SCRIPTS[name])


def test_a_stage_that_runs_anew_changes_nothing_for_those_beside_it(desk: Desk, tmp_path: Path) -> None:
    desk.session.keep_in(str(tmp_path))
    check(desk, SCRIPTS["the second of two is forced"], (ONE,))


def test_equal_seeds_of_a_batch_are_computed_once(desk: Desk) -> None:
    desk.run(SCRIPTS["equal seeds as one batch"][0])
    assert "2 seeds run as one batch: their last bits may differ from single runs" in desk.notes.lines
