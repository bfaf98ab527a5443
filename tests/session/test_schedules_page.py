"""``docs/schedules.md``: its cells are planned, and its table is what was recorded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_latents.session import Session, Task
from jupyter_latents.syntax import Script
from tests.engine.cases import SCHEDULERS
from tests.tables.schedules import ELSEWHERE, PAGE, WAYS, page, recorded

TEXT = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text(encoding="utf-8")
CELLS = re.findall(r"```\n%%dgen[^\n]*\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("cell", CELLS)
def test_the_cells_of_the_page_are_planned(cell: str) -> None:
    plan = Session().plan(Task(Script(cell)))
    assert not plan.refused
    (stage,) = plan.stages
    assert stage.course is not None
    assert len(stage.course.windows) == 2
    assert len(CELLS) == 2


def test_the_table_is_what_was_recorded_for_every_scheduler_of_the_split_law() -> None:
    found = recorded()
    assert set(found["answers"]) == set(SCHEDULERS)
    assert all(set(ways) == set(WAYS) for ways in found["answers"].values())
    assert set(found["elsewhere"]) == set(ELSEWHERE)
    assert PAGE.read_text(encoding="utf-8") == page(found)
