"""A sweep's axes are data: which option took which value, from the cell to the sequence that it binds."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_latents.engine.observer import Silent
from jupyter_latents.session import Task
from jupyter_latents.stage import Axis, Stage, axes_of, label_of
from jupyter_latents.syntax import Script
from tests.session.conftest import SECONDS, Desk

pytestmark = pytest.mark.kept_models

FEW = "--inference-steps 2 --output-size 64"


class Told(Silent):
    """Keeps the stages that it is told of."""

    def __init__(self) -> None:
        self.planned: list[Stage] = []
        self.begun: list[Stage] = []

    def plan(self, stages: Any) -> None:
        self.planned = list(stages)

    def stage(self, index: int, stage: Stage, name: str) -> None:
        self.begun.append(stage)


def test_a_sequence_knows_which_option_took_which_value(desk: Desk) -> None:
    desk.run(f"<sd15> --prompts cat {FEW} --seeds 3 4 --guidance-scales 2 7.5 --into xy")
    xy = desk["xy"]
    assert xy.axes == (Axis("guidance", (2.0, 7.5)), Axis("seed", (3, 4)))
    assert xy.choices[1] == (("guidance", 2.0), ("seed", 4))
    assert [dict(choice)["seed"] for choice in xy.choices] == [one.provenance.seed for one in xy]
    assert [dict(choice)["guidance"] for choice in xy.choices] == [one.provenance.guidance_scale for one in xy]
    assert xy.labels[2] == "guidance 7.5, seed 3"
    assert xy[2:].axes == (Axis("seed", (3, 4)),), "one guidance is left, which is no axis any more"


def test_every_stage_that_is_told_says_its_place_in_the_sweep(desk: Desk) -> None:
    told = Told()
    script = Script(desk.text(f"<sd15> --prompts cat {FEW} --seeds 3 4 --into many\n<sd15> --prompts cat {FEW}"), 2)
    assert desk.session.start(Task(script), told).wait(SECONDS)
    for stages in (told.planned, told.begun):
        places = [stage.sweep and (stage.sweep.number, stage.sweep.of, stage.sweep.choice) for stage in stages]
        assert places == [(0, 2, (("seed", 3),)), (1, 2, (("seed", 4),)), None]


def test_a_stage_that_goes_on_from_a_sweep_has_its_axes_too(desk: Desk) -> None:
    desk.run(f"<sd15> --prompts cat {FEW} --seeds 3 4 --denoising-end 0.5 --into many")
    desk.run(f'<sd15> --prompts cat {FEW} --image-seeds "latents: many" --guidance-scales 3 5 --into last')
    assert desk["last"].axes == (Axis("guidance", (3.0, 5.0)), Axis("seed", (3, 4)))
    desk.run(f'<sd15> --prompts cat {FEW} --image-seeds "latents: many" --seeds 8 9 --into other')
    assert desk["other"].axes == (Axis("seed", (8, 9)), Axis("seed of many", (3, 4)))
    plan = desk.plan(f'<sd15> --prompts cat {FEW} --image-seeds "latents: last" --into again')
    assert axes_of([stage.stage.sweep.choice for stage in plan.stages if stage.stage.sweep]) == desk["last"].axes


def test_values_that_tell_nothing_are_no_axis(desk: Desk) -> None:
    desk.run(f"<sd15> --prompts cat {FEW} --seeds 3 3 --guidance-scales 4 --into same")
    assert desk["same"].axes == ()


@pytest.mark.parametrize(
    ("options", "name", "values"),
    [
        ('--prompts "a; b" "c"', "prompt", ("a; b", "c")),
        ("--schedulers DDIMScheduler 'EulerDiscreteScheduler;use-karras-sigmas=true'", "scheduler",
         ("DDIMScheduler", "EulerDiscreteScheduler;use-karras-sigmas=true")),
        ("--inference-steps 2 3", "steps", (2, 3)),
        ("--clip-skips 0 1", "clip skip", (0, 1)),
        ("--negative-prompts dark bright", "negative prompt", ("dark", "bright")),
        ("--sigmas 14,0 7,1,0", "sigmas", ("14,0", "7,1,0")),
    ],
)  # fmt: skip
def test_axes_have_the_names_that_people_use(desk: Desk, options: str, name: str, values: tuple[Any, ...]) -> None:
    plan = desk.plan(f"<sd15> {options} --into xy")
    assert axes_of([one.stage.sweep.choice for one in plan.stages if one.stage.sweep]) == (Axis(name, values),)


def test_a_label_has_its_prompt_last() -> None:
    assert (
        label_of((("prompt", "a long one"), ("guidance", 4.0), ("seed", 7))) == "guidance 4, seed 7, prompt a long one"
    )
    assert label_of(()) == ""
