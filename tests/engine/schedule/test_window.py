"""Windows in whole steps: they tile the schedule, and are never empty or over its ends."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_latents.engine.schedule.window import Grid, Span, step_of_fraction
from jupyter_latents.errors import WindowError
from jupyter_latents.points import BoundaryPoint, SigmaPoint
from jupyter_latents.stage import Window

RULES = ("steps", "timesteps")


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[float], int]:
    """A falling schedule of 1 to 80 whole steps, and its order: timesteps interleaved 2N - 1 where it is 2."""
    order = draw(st.sampled_from([1, 2]))
    steps = draw(st.integers(1, 80))
    whole = [999.0 - 999.0 * step / steps for step in range(steps)]
    if order == 1:
        return whole, order
    return [whole[0], *(value for value in whole[1:] for _ in range(2))], order


fractions = st.floats(0, 1)
options = st.builds(
    lambda schedule, rule: {
        "timesteps": schedule[0],
        "order": schedule[1],
        "rule": rule,
        "train_timesteps": 1000,
    },
    schedules(),
    st.sampled_from(RULES),
)


@given(options, st.lists(fractions, max_size=6))
def test_windows_in_a_row_tile_the_schedule(options, cuts) -> None:
    edges = [None, *sorted(cuts), None]
    reached = 0
    spans: list[Span] = []
    for start, end in pairwise(edges):
        try:
            span = Grid(**options).span(Window(start, end))
        except WindowError:
            continue
        assert span.start == reached
        reached = span.end
        spans.append(span)
    assert reached == spans[-1].of
    assert sum(span.evaluations for span in spans) == len(options["timesteps"])


@given(options, fractions | st.none(), fractions | st.none(), st.integers(0, 80))
def test_a_window_is_never_empty_nor_over_the_ends(options, start, end, first) -> None:
    try:
        span = Grid(**options).span(Window(start, end), first)
    except WindowError:
        return
    assert 0 <= span.start < span.end <= span.of
    assert span.start >= first
    assert 0 <= span.start_index < span.end_index <= span.timesteps == len(options["timesteps"])
    assert span.evaluations > 0


@given(options)
def test_whole_steps_and_timestep_indices_are_inverse(options) -> None:
    span = Grid(**options).span(Window())
    for step in range(span.of + 1):
        assert span.step(span.index(step)) == step
    inside = [index for index in range(span.timesteps) if span.step(index) is None]
    assert len(inside) == span.timesteps - span.of


@given(options, fractions, fractions)
def test_a_later_fraction_is_never_an_earlier_step(options, first, second) -> None:
    low, high = sorted([first, second])
    arguments = (options["timesteps"], options["order"], options["rule"], 1000)
    assert step_of_fraction(low, *arguments) <= step_of_fraction(high, *arguments)


@given(st.integers(1, 200), st.data())
def test_a_fraction_written_as_k_of_n_is_step_k(steps, data) -> None:
    """0.29 of 100 is 29, though 0.29 * 100 is 28.999999999999996."""
    step = data.draw(st.integers(0, steps))
    schedule = [999.0 - index for index in range(steps)]
    assert step_of_fraction(step / steps, schedule, 1, "steps", 1000) == step


@pytest.mark.parametrize(
    ("fraction", "steps", "step"), [(0.29, 100, 29), (0.57, 100, 57), (0.8, 30, 24), (0.33, 10, 3), (0.999, 10, 9)]
)
def test_a_fraction_counts_whole_steps(fraction: float, steps: int, step: int) -> None:
    assert step_of_fraction(fraction, [0.0] * steps, 1, "steps", 1000) == step


@given(fractions)
def test_the_training_rule_keeps_what_diffusers_keeps(fraction) -> None:
    """StableDiffusionXLPipeline: ``len([t for t in timesteps if t >= round(T - end * T)])``."""
    timesteps = list(range(951, 0, -50))
    cutoff = round(1000 - fraction * 1000)
    kept = len([timestep for timestep in timesteps if timestep >= cutoff])
    assert step_of_fraction(fraction, timesteps, 1, "timesteps", 1000) == kept


def test_an_empty_window_names_both_steps() -> None:
    with pytest.raises(WindowError, match=r"denoising start 0.52 is step 5 of 10 and denoising end 0.55 is step 5"):
        Grid([0.0] * 10).span(Window(0.52, 0.55))


def test_the_noise_level_of_the_boundary_means_the_boundary() -> None:
    """Wan 2.2's own schedule has a step at σ 0.875156, which is shown as 0.875 and is the first expert's."""
    grid = Grid((1000.0, 875.0, 700.0), sigmas=(1.0, 0.875156, 0.7, 0.0), boundary=0.875)
    assert grid.step(SigmaPoint(0.875)) == grid.step(BoundaryPoint()) == 2
    assert Grid(grid.timesteps, sigmas=grid.sigmas).step(SigmaPoint(0.875)) == 1, "as it is shown"


def test_a_schedule_that_adds_noise_has_the_first_step_at_or_above_a_level() -> None:
    grid = Grid([0.0, 250.0, 500.0, 750.0], sigmas=[0.1, 1.0, 2.0, 4.0, 8.0])
    assert [grid.step(SigmaPoint(level)) for level in (0.1, 1.0, 3.0, 8.0)] == [0, 1, 3, 4]
    with pytest.raises(WindowError, match="outside the run"):
        grid.step(SigmaPoint(9.0))
