"""Steps of a stage that still runs lead back to their cell, and say nothing that a result would not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_latents import Latents
from jupyter_latents.session import Task
from jupyter_latents.session.runs.steps import Step
from jupyter_latents.syntax import Script
from tests.session.conftest import SECONDS, Desk, Notes

pytestmark = pytest.mark.kept_models

SECRET = "s3cret-v4lue"
STAGES = """demo/scenes --prompts "hills, $HILLS" --inference-steps 4 --output-size 64 --seeds 7 --denoising-end 0.5
--into base

demo/scenes --image-seeds "latents: base" --prompts "$HILLS" --inference-steps 4 --denoising-start 0.5
--denoising-end 0.75 --into final
"""


@pytest.fixture
def steps(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Latents]:
    """The latents of each step, taken while its stage ran."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HILLS", SECRET)
    taken: list[Latents] = []

    def take(step: Step) -> None:
        taken.append(step.latents)

    run = desk.session.start(Task(Script(STAGES, 2)), Notes(), take)
    assert run.wait(SECONDS)
    run.check()
    return taken


def test_a_step_of_a_running_stage_says_of_the_environment_no_more_than_its_result(steps: list[Latents]) -> None:
    assert [one.provenance.prompt for one in steps] == ["hills, $HILLS", "hills, $HILLS", "$HILLS"]
    assert not any(SECRET in repr(one.provenance) for one in steps)


def test_the_cell_of_a_step_of_a_running_stage_makes_that_step(steps: list[Latents], desk: Desk) -> None:
    assert [one.position.step for one in steps if one.position] == [1, 2, 3]
    for number in (0, 2):
        cell = desk.session.cell(steps[number])
        assert "$HILLS" in cell
        other = Desk(desk.models)
        run = other.run(cell.partition("\n")[2])
        assert run.result is not None
        assert run.result.digest == steps[number].digest


def test_the_cell_of_several_is_one_invocation(desk: Desk) -> None:
    desk.run("demo/scenes --prompts cat --inference-steps 1 --output-size 64 --seeds 3 4 --into xy")
    assert desk.session.cell(*desk["xy"]).count("--seeds 3 4") == 1
    assert desk.session.cell(Latents(desk["xy"][0].tensor + 1)) == ""
