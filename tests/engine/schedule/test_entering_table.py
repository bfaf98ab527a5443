"""``docs/entering.md``: a few of its cells measured anew, and the whole of it on demand (``-m slow``)."""

from __future__ import annotations

import pytest

from tests.engine.cases import FLOW_SCHEDULERS, SCHEDULERS, Bench
from tests.tables.entering import PAGE, recorded, text
from tests.tables.ways import ENOUGH, WAYS, Measures, measured


def test_the_page_is_what_the_recorded_figures_say() -> None:
    assert PAGE.read_text() == text(recorded())


def test_every_scheduler_of_the_split_law_is_on_the_page_and_right() -> None:
    figures = recorded()
    assert [figure.scheduler for figure in figures] == [*SCHEDULERS, *FLOW_SCHEDULERS]
    assert not [figure.scheduler for figure in figures if not figure.holds]


@pytest.fixture(scope="module")
def measures(bench: Bench) -> Measures:
    """With coarser references than those of the page."""
    return Measures(bench, most=40)


@pytest.mark.parametrize(
    ("scheduler", "way"), [("LMSDiscreteScheduler", "of Euler"), ("PNDMScheduler", "history dropped")]
)
def test_what_enters_without_history_ends_where_euler_does(measures: Measures, scheduler: str, way: str) -> None:
    base = measures.base(scheduler, seed=7)
    assert measures.error(scheduler, WAYS[way](measures, scheduler, base)) < ENOUGH


@pytest.mark.parametrize("scheduler", ["EulerAncestralDiscreteScheduler", "SASolverScheduler", "FlowMatchLCMScheduler"])
def test_what_draws_noise_ends_in_the_distribution_that_it_has_with_its_history(
    measures: Measures, scheduler: str
) -> None:
    assert measured(measures, scheduler).holds


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", [*SCHEDULERS, *FLOW_SCHEDULERS])
def test_every_scheduler_is_right_by_every_way_in(bench: Bench, scheduler: str) -> None:
    figure = measured(Measures(bench), scheduler)
    assert figure.holds, figure.values
