"""What is planned is what runs, and both are what plain diffusers does: a thin sample of the whole table.

All rows: ``python -m tests.tables.plan_and_run --full``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tables.odd_models import Folders
from tests.tables.pipelines import ALIGN, CLASSES
from tests.tables.plan_and_run import Table, calls
from tests.tables.reference import PlainRun, Reference
from tests.tables.sample import TELLING, AnyRow, core, sample


@pytest.fixture(scope="module")
def folders(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return Folders(tiny, tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="module")
def table(folders: Folders, tmp_path_factory: pytest.TempPathFactory) -> Table:
    """One engine for all rows."""
    return Table(folders, tmp_path_factory.mktemp("carried"), Reference())


@pytest.mark.parametrize("row", core(), ids=str)
def test_plan_run_and_plain_diffusers_agree(row: AnyRow, table: Table) -> None:
    assert table.differences(row) == []


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in sample() if row not in core()], ids=str)
def test_they_agree_on_more_rows(row: AnyRow, table: Table) -> None:
    assert table.differences(row) == []


def test_no_two_rows_have_one_name() -> None:
    assert len({str(row) for row in sample()}) == len(sample())


def test_each_rule_has_rows_that_notice() -> None:
    assert all(set(rows) <= set(core()) and rows for rows in TELLING.values())
    assert set(core()) < set(sample())


@pytest.mark.slow
def test_the_recorded_answers_are_those_of_plain_diffusers(folders: Folders) -> None:
    recorded, anew = Reference(), Reference(folders, anew=True)
    runs = dict.fromkeys(run for row in sample() for run in calls(row))
    assert {str(run) for run in runs} == set(recorded.known)
    assert {str(run): anew(run) for run in runs} == recorded.known


@pytest.mark.slow
@pytest.mark.parametrize("family", [family for family, classes in CLASSES.items() if classes[0]])
def test_sizes_are_rounded_to_what_plain_diffusers_makes(family: str, folders: Folders) -> None:
    """One alignment more is made as asked; half of one is refused or rounded down. One step of Qwen-Image is NaN."""
    plain, align = Reference(folders, anew=True), ALIGN[family]
    asked, between = (64 + align, 64), (64 + align // 2, 64)
    assert plain(PlainRun(family, "txt2img", 2, None, asked, None))["size"] == list(asked)
    made = plain(PlainRun(family, "txt2img", 2, None, between, None))
    assert "fails" in made or made["size"] == [64, 64]
