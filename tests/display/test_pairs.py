"""A sweep over refined pairs is one grid, whose axes are the options of either stage."""

from __future__ import annotations

from jupyter_latents.display import payload
from jupyter_latents.display.records.run_record import RunRecord
from jupyter_latents.display.texts import doing
from jupyter_latents.engine.observer import Phase
from jupyter_latents.stage import Stage
from jupyter_latents.syntax import parse
from tests.display.fake_run import latents_at, stage

SCRIPT = "demo/scenes --prompts a --seeds 1 --guidance-scales 3 5 --sdxl-refiner demo/paper -gs2 2 6 7 --into xy"


def stages() -> list[Stage]:
    return [one for made in parse(SCRIPT) for one in made.stages()]


def record_of(count: int) -> RunRecord:
    """The record of a run that has made so many of the stages."""
    record = RunRecord(planned=tuple(stages()))
    for one in stages()[:count]:
        refines = one.sweep is not None and one.sweep.refines
        record.begin_stage(one, one.into or "").take_result(latents_at(stage("x"), 30 if refines else 24))
    return record


def test_the_refined_pictures_are_one_grid() -> None:
    data = payload.head(record_of(3))
    (sweep,) = data["sweeps"]
    assert [sweep[side] for side in ("rows", "columns")] == [
        {"name": "guidance", "values": ["3", "5"]},
        {"name": "refiner guidance", "values": ["2", "6", "7"]},
    ]
    assert [one["group"] for one in data["stages"]] == [0, 1, 1, 1, 0, 1, 1, 1]
    assert (sweep["group"], sweep["before"]) == (1, 0)
    places = [one["place"] for one in data["stages"] if one["group"] == 1]
    assert places == [[0, row, column] for row in range(2) for column in range(3)]


def test_a_name_stands_for_all_refined_results_and_for_the_last_base_alone() -> None:
    record = record_of(8)
    assert [one.variable for one in record.stages] == ["", "xy[0]", "xy[1]", "xy[2]", "before_refiner", *(
        f"xy[{number}]" for number in (3, 4, 5)
    )]  # fmt: skip
    assert record.stages[0].branch(3) == ("", "")
    assert len(record.swept) == 6


def test_the_status_counts_the_pictures_of_all_pairs() -> None:
    record = record_of(6)
    record.begin_phase(Phase("denoising"))
    assert doing(record).startswith("picture 4 of 6 · ")
    record.end("done", None)
    assert record.pictures == 4
