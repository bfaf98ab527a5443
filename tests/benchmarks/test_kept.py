"""Instructions are counted the same each time, in all threads, and growth is told; nothing is timed."""

import json
import threading

import pytest

from tests.benchmarks import kept


def work(times: int = 100) -> int:
    return sum(number * number for number in range(times))


def test_the_same_work_counts_the_same_and_more_work_more() -> None:
    once = kept.instructions(work)
    assert once == kept.instructions(work) > 100
    assert kept.instructions(lambda: work(200)) > 1.8 * once


def test_threads_count() -> None:
    def beside() -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert kept.instructions(beside) > kept.instructions(work)


def test_growth_is_told_from_a_twentieth_on() -> None:
    assert kept.grown({"a": 100, "b": 100, "c": 100}, {"a": 105, "b": 106, "c": 50, "new": 9}) == ["b"]


def test_reading_a_script_costs_what_was_recorded() -> None:
    """The quickest row: the record is of this code, and its counting is that of today."""
    recorded = json.loads(kept.RECORD.read_text())
    if recorded["made with"]["python"] != kept.made_with()["python"]:
        pytest.skip("recorded with another Python")
    kept.parse()
    now = {"parsing, a stage": kept.instructions(kept.parse) / kept.STAGES}
    assert kept.grown({name: value * 1.2 for name, value in recorded["values"].items()}, now) == []
    assert len(recorded["values"]) == 8
