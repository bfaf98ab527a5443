"""Points of a run and guidance that changes at them: read, written, refused at the place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_latents.engine.schedule.window import Grid
from jupyter_latents.errors import SettingError, WindowError
from jupyter_latents.points import Point, SigmaPoint, StepPoint, before, point_of, read_point, read_scales, rough_step
from jupyter_latents.stage import ModelSource, Scales, Stage, Window

points = st.one_of(
    st.floats(0, 1), st.builds(StepPoint, st.integers(2, 1_000_000)), st.builds(SigmaPoint, st.floats(0, 1e6))
)
LEVELS = Grid([999.0, 749.0, 499.0, 249.0], 1, "steps", 1000, [1.0, 0.875, 0.7, 0.41234, 0.0])


@given(points)
def test_a_point_reads_back_as_it_was_written(point: Point) -> None:
    assert read_point(repr(point) if isinstance(point, float) else str(point)) == point


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("0", 0.0), ("0.6", 0.6), ("1", 1.0), ("1.0", 1.0), ("2", StepPoint(2)), ("12", StepPoint(12)),
        ("12.0", StepPoint(12)), ("sigma=0.875", SigmaPoint(0.875)), ("σ0.875", SigmaPoint(0.875)),
        ("σ=0.875", SigmaPoint(0.875)), ("SIGMA = 14", SigmaPoint(14.0)), (" .5 ", 0.5), ("sigma=0", SigmaPoint(0.0)),
    ],
)  # fmt: skip
def test_fractions_steps_and_noise_levels_are_told_apart(text: str, point: Point) -> None:
    assert read_point(text) == point


@pytest.mark.parametrize(
    "text", ["", "1.5", "2.5", "-1", "-0.1", "nan", "inf", "1e9", "sigma=", "sigma=-1", "sigma=nan", "σ", "x", "12 5"]
)
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="is not allowed; give a fraction, 0 or more and at most 1; a step from 2"):
        read_point(text)


def test_a_window_takes_numbers_and_texts() -> None:
    assert Window(0.5, 12) == Window("0.5", StepPoint(12)) == Window(0.5, "12")
    assert Window(1, "σ3") == Window(1.0, SigmaPoint(3.0))
    assert point_of(None) is None


def test_points_come_before_others_where_every_schedule_says_so() -> None:
    assert before(0.2, 0.3) is True
    assert before(StepPoint(9), StepPoint(4)) is False
    assert before(SigmaPoint(9.0), SigmaPoint(4.0)) is True
    assert before(StepPoint(9), 1.0) is True
    assert before(1.0, SigmaPoint(0.1)) is False
    assert before(0.5, StepPoint(9)) is None


def test_steps_are_estimated_where_the_schedule_is_not_known() -> None:
    assert [rough_step(point, 10, 7) for point in (0.29, StepPoint(4), StepPoint(40), SigmaPoint(1.0), None)] == [
        2, 4, 10, 7, 7,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("point", "step"),
    [
        (0.0, 0), (0.5, 2), (0.74, 2), (1.0, 4), (StepPoint(3), 3), (StepPoint(4), 4), (SigmaPoint(1.0), 0),
        (SigmaPoint(0.9), 1), (SigmaPoint(0.875), 1), (SigmaPoint(0.874), 2), (SigmaPoint(0.41234), 3),
        (SigmaPoint(0.412), 3), (SigmaPoint(0.4), 4), (SigmaPoint(0.0), 4),
    ],
)  # fmt: skip
def test_a_point_is_a_step_and_a_level_the_first_step_at_or_below_it(point: Point, step: int) -> None:
    assert LEVELS.step(point) == step


def test_in_a_schedule_that_adds_noise_a_level_is_the_first_step_at_or_above_it() -> None:
    rising = Grid([1.0, 250.0, 500.0], 1, "steps", 1000, [0.0, 0.3, 1.5, 14.6])
    assert [rising.step(SigmaPoint(level)) for level in (0.0, 0.2, 0.3, 1.0, 14.6)] == [0, 1, 1, 2, 3]


@pytest.mark.parametrize("point", [StepPoint(5), SigmaPoint(1.2)])
def test_a_point_outside_the_run_is_refused_with_its_range(point: Point) -> None:
    with pytest.raises(WindowError, match=r"outside the run, which has 4 steps: give a step of 2 to 4, a .* σ 1 to 0"):
        LEVELS.step(point, "denoising_end")


def test_guidance_by_points_is_read_and_written() -> None:
    scales = read_scales("7@0, 2@0.6,1@sigma=0.25")
    assert scales == Scales(((7.0, 0.0), (2.0, 0.6), (1.0, SigmaPoint(0.25))))
    assert str(scales) == f"{scales:g}" == "7@0,2@0.6,1@sigma=0.25"
    assert read_scales(str(scales)) == scales
    assert read_scales("7,2@12") == Scales(((7.0, 0.0), (2.0, StepPoint(12))))
    assert read_scales("7@0") == read_scales("7") == 7.0
    assert Stage(model=ModelSource("m"), guidance_scale="7@0,2@0.6").guidance_scale == read_scales("7@0,2@0.6")


@pytest.mark.parametrize(
    ("text", "message", "start", "length"),
    [
        ("seven", "'seven' is not allowed; give a number, 0 or more", 0, 5),
        ("-1", "give a number, 0 or more", 0, 2),
        ("1e9", "at most 1e+06", 0, 3),
        ("7@0.2,2@0.6", "does not say with which scale the run begins", 2, 3),
        ("7@0,2", "'2' does not say from where on; write 2@0.6", 4, 1),
        ("7@0,", "has nothing beside a comma; take it out", 4, 1),
        ("7@0,,2@0.5", "has nothing beside a comma", 4, 1),
        ("7@0,2@", "is not allowed; give a fraction", 6, 1),
        ("7@0,2@1.5", "'1.5' is not allowed", 6, 3),
        ("7@0,x@0.5", "'x' is not allowed", 4, 1),
        ("7@0,2@0.6,3@0.5", "@0.5 does not come after @0.6", 12, 3),
        ("7@0,2@0.6,3@0.6", "@0.6 does not come after @0.6", 12, 3),
        ("7@0,2@12,3@9", "@9 does not come after @12", 11, 1),
    ],
)
def test_guidance_that_cannot_be_read_is_located(text: str, message: str, start: int, length: int) -> None:
    found = []

    def fault(told: str, at: int, size: int) -> Exception:
        found.append((at, size))
        return SettingError(told)

    with pytest.raises(SettingError) as caught:
        read_scales(text, fault)
    assert message in caught.value.message
    assert found == [(start, length)]


def test_fractions_count_training_timesteps_where_diffusers_does_and_steps_stay_steps() -> None:
    shifted = Grid([999.0, 990.0, 900.0, 300.0], 1, "timesteps", 1000)
    assert [shifted.step(point) for point in (0.05, 0.5, StepPoint(2), 1.0)] == [2, 3, 2, 4]
