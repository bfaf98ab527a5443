"""Planning is linear: twice the stages are at most twice the calls. Counted, not timed."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import pytest

import jupyter_latents
from jupyter_latents.session import Session, Task
from jupyter_latents.syntax import Script
from tests.benchmarks.planning import scripts_of

PACKAGE = str(Path(jupyter_latents.__file__).parent)
WATCHED = ("prepare", "describe", "build", "read_json", "set_timesteps", "part_digest", "header", "value", "capture")


def calls_to_plan(text: str) -> Counter[str]:
    """How often each function of the package is called while a script is planned, by its name; "" for all of them."""
    counts: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            counts.update((frame.f_code.co_name, ""))

    session = Session()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        plan = session.plan(Task(Script(text)))
    finally:
        sys.setprofile(before)
    assert plan.refused == ()
    return counts


@pytest.mark.parametrize("what", scripts_of(2))
def test_planning_calls_grow_with_the_number_of_stages(what: str) -> None:
    calls_to_plan(scripts_of(2)[what])  # what is read once and for all
    few, more, many = (calls_to_plan(scripts_of(stages)[what]) for stages in (10, 20, 40))
    assert few["prepare"] == 2 * 10, "the engine is asked once a stage, and decides once"
    for name in WATCHED:
        counted = f"{name}: {few[name]}, {more[name]}, {many[name]}"
        assert many[name] - more[name] <= 2 * (more[name] - few[name]), counted
    assert many[""] - more[""] <= 2.05 * (more[""] - few[""])
