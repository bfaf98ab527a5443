"""History that cannot be trusted: the latents go on, and the run says that it continues without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.outline import Outline
from jupyter_latents.engine.result import StageResult
from jupyter_latents.latents import Latents, Resume
from jupyter_latents.stage import Window
from tests.engine.cases import Bench, equal, inputs
from tests.engine.schedule.test_handover import Notes

NAME = "DPMSolverMultistepScheduler"


@pytest.fixture
def base(bench: Bench) -> Latents:
    return bench.run("sd15", scheduler=NAME, window=Window(None, 0.5)).latents


def going_on(bench: Bench, latents: Latents) -> tuple[StageResult, Notes]:
    notes = Notes()
    return bench.engine.run(bench.stage("sd15", scheduler=NAME), inputs("txt2img", latents), notes), notes


def changed(resume: Resume, **state: Any) -> Resume:
    return Resume({**resume.scheduler, **state}, resume.generator, resume.versions)


def shrunk(state: Mapping[str, Any]) -> list[torch.Tensor]:
    return [torch.zeros(1, 4, 4, 4) for _ in state["model_outputs"]]


DAMAGE = {
    "outputs of another shape": lambda resume: changed(resume, model_outputs=shrunk(resume.scheduler)),
    "text for outputs": lambda resume: changed(resume, model_outputs="outputs"),
    "text for a counter": lambda resume: changed(resume, lower_order_nums="two"),
    "another step's index": lambda resume: changed(resume, _step_index=1),
    "a table": lambda resume: changed(resume, sigmas=torch.zeros(11)),
    "a number for a table": lambda resume: changed(resume, sigmas=0),
    "the configuration": lambda resume: changed(resume, _internal_dict="settings"),
    "a short random state": lambda resume: Resume(resume.scheduler, torch.zeros(3, dtype=torch.uint8), resume.versions),
    "text for the random state": lambda resume: Resume(resume.scheduler, "state", resume.versions),
    "another version of diffusers": lambda resume: Resume(resume.scheduler, resume.generator, {"diffusers": "0.20.0"}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_history_that_is_not_this_runs_is_left_out_and_said(bench: Bench, base: Latents, damage: str) -> None:
    bare, _ = going_on(bench, base.replace(resume=None))
    result, notes = going_on(bench, base.replace(resume=DAMAGE[damage](base.resume)))
    assert any("without history" in note for note in notes.notes + notes.warnings)
    assert equal(result, bare)


def test_sound_history_is_used_without_a_word(bench: Bench, base: Latents) -> None:
    result, notes = going_on(bench, base)
    assert equal(result, bench.whole("sd15", scheduler=NAME))
    assert not notes.notes


def test_a_second_order_history_matters(bench: Bench, base: Latents) -> None:
    """Else the tests above would pass for nothing."""
    bare, _ = going_on(bench, base.replace(resume=None))
    assert not equal(bare, bench.whole("sd15", scheduler=NAME))


def test_values_changed_in_place_go_on_without_the_history_of_others(bench: Bench, base: Latents) -> None:
    as_new, _ = going_on(bench, base.replace(tensor=base.tensor * 0.9))
    assert Outline.of(base).has_history
    base.tensor.mul_(0.9)
    assert not Outline.of(base).has_history, "a plan says the same"
    result, notes = going_on(bench, base)
    assert any("without history: their values were changed in place" in note for note in notes.notes + notes.warnings)
    assert equal(result, as_new)
