"""Where latents enter, by their facts alone: against the levels of plain diffusers' schedules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.given.outline import Outline
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import HandoffError
from jupyter_latents.latents import CLEAN, Noise
from jupyter_latents.points import SigmaPoint, StepPoint
from jupyter_latents.stage import Stage, Window
from tests.engine.cases import Bench

EULER = "EulerDiscreteScheduler"
FLOW = "FlowMatchEulerDiscreteScheduler"


@pytest.fixture(scope="module")
def half(bench: Bench) -> Outline:
    """Latents after five of ten steps."""
    return prepare(bench.stage("sd15", scheduler=EULER, window=Window(None, 0.5))).outline


def sigmas(bench: Bench, name: str, family: str = "sd15") -> list[float]:
    """What diffusers' own scheduler writes for ten steps."""
    import diffusers

    scheduler = getattr(diffusers, name).from_pretrained(bench.folder(family), subfolder="scheduler")
    scheduler.set_timesteps(10)
    return scheduler.sigmas.tolist()


def entered(stage: Stage, given: Outline, **pictures: Any) -> Any:
    return prepare(stage, Given((given,), **pictures)).entering


def from_step(bench: Bench, step: int, **options: Any) -> Stage:
    """A stage that is told to start at a step."""
    return bench.stage("sd15", scheduler=EULER, window=Window(StepPoint(step), None), **options)


def test_latents_at_the_level_of_the_last_step_enter_there_without_a_word(bench: Bench, half: Outline) -> None:
    given = replace(half, noise=Noise(sigmas(bench, EULER)[9], "ve"), position=None)
    entering = entered(from_step(bench, 9), given)
    assert (entering.span.start, entering.notes) == (9, ())


def test_a_level_that_contradicts_the_position_decides(bench: Bench, half: Outline) -> None:
    assert half.position is not None
    assert half.position.step == 5
    entering = entered(bench.stage("sd15", scheduler=EULER), replace(half, noise=Noise(sigmas(bench, EULER)[3], "ve")))
    assert (entering.span.start, entering.exact) == (3, False)


def test_a_start_elsewhere_than_latents_stand_is_kept_and_told(bench: Bench, half: Outline) -> None:
    entering = entered(from_step(bench, 7), half)
    assert (entering.span.start, entering.exact) == (7, False)
    assert any("these latents stand at" in note and "nearest to step 5" in note for note in entering.notes)


def test_a_strength_beside_latents_takes_no_step(bench: Bench, half: Outline) -> None:
    """Without the latents it leaves no step."""
    stage = bench.stage("sd15", scheduler=EULER, strength=0.05)
    assert entered(stage, half, images=((64, 64),)).span.start == 5


def test_a_flow_schedule_says_that_it_begins_with_pure_noise(bench: Bench) -> None:
    half = prepare(bench.stage("sd3", window=Window(None, 0.5))).outline
    second = sigmas(bench, FLOW, "sd3")[1]
    given = replace(half, noise=Noise(2 * second / (1 - second), "ve"), position=None)
    entering = entered(bench.stage("sd3"), given)
    assert entering.span.start == 0
    assert any(note.endswith("more steps would enter nearer to it") for note in entering.notes)


def test_noise_added_between_forms_of_other_numbers_is_told_in_one_of_them(bench: Bench, half: Outline) -> None:
    own = sigmas(bench, EULER)
    level = (own[4] + own[5]) / 2
    shown = f"(in VE terms {level:.3g} and {own[4]:.3g})"
    for form, told in (("flow", True), ("vp", False)):
        notes = entered(
            bench.stage("sd15", scheduler=EULER), replace(half, noise=Noise(level, form), position=None)
        ).notes
        assert any(note.startswith("noise added") for note in notes)
        assert any(shown in note for note in notes) is told


def test_a_noise_level_is_looked_for_at_whole_steps(bench: Bench) -> None:
    """Heun's list holds each level but the first and the last twice."""
    level = sigmas(bench, "HeunDiscreteScheduler")[2 * 5]
    stage = bench.stage("sd15", scheduler="HeunDiscreteScheduler", window=Window(None, SigmaPoint(level)))
    assert prepare(stage).span.end == 5


def test_a_clean_picture_is_inverted_as_it_is(bench: Bench, half: Outline) -> None:
    stage = bench.stage("sd15", scheduler="DDIMInverseScheduler", guidance_scale=1.0)
    entering = entered(stage, replace(half, noise=CLEAN, position=None))
    assert entering.way.noise.sigma == 0
    assert not any("noise added" in note for note in entering.notes)


def test_only_clean_latents_alone_are_noised_to_a_strength(bench: Bench, half: Outline) -> None:
    clean = replace(half, noise=CLEAN, position=None)
    stage = bench.stage("sd15", scheduler=EULER, strength=0.6)
    assert entered(stage, clean).span.start == 4
    assert entered(stage, half).span.start == 5
    for other, pictures in ((stage, {"images": ((64, 64),)}), (from_step(bench, 8, strength=0.6), {})):
        with pytest.raises(HandoffError, match="nothing left to denoise"):
            entered(other, clean, **pictures)
