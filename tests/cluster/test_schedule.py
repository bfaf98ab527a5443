"""Who does what next: the order, the nearness, and that no part of it grows with what waits."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from jupyter_latents.cluster import Assignment, WorkSchedule
from jupyter_latents.engine import Item
from tests.cluster.simulation import Sweep, simulate
from tests.counting import calls_of


def given(assignments: Iterable[Assignment]) -> list[tuple[int, object]]:
    return [(assignment.number, assignment.worker) for assignment in assignments]


def schedule_of(workers: str) -> WorkSchedule:
    schedule = WorkSchedule()
    for worker in workers:
        assert schedule.join(worker) == []
    return schedule


def test_an_item_goes_to_a_free_worker_at_once() -> None:
    schedule = schedule_of("ab")
    assert given(schedule.add(Item(1))) == [(1, "a")]
    assert given(schedule.add(Item(2))) == [(2, "b")]
    assert schedule.add(Item(3)) == []
    assert given(schedule.finish(1, "a")) == [(3, "a")]


def test_a_worker_is_preferred_for_the_model_that_it_holds() -> None:
    schedule = schedule_of("ab")
    schedule.add(Item(1, "x"))
    schedule.add(Item(2, "y"))
    schedule.finish(1, "a")
    schedule.finish(2, "b")
    assert given(schedule.add(Item(3, "y"))) == [(3, "b")]
    schedule.add(Item(4, "x"))
    for number, model in ((5, "y"), (6, "x"), (7, "y")):
        schedule.add(Item(number, model))
    assert given(schedule.finish(4, "a")) == [(6, "a")]
    assert given(schedule.finish(3, "b")) == [(5, "b")]
    assert given(schedule.finish(6, "a")) == [(7, "a")], "no worker is idle for a model's sake"


def test_an_item_goes_where_its_latents_were_made() -> None:
    schedule = schedule_of("ab")
    schedule.add(Item(1, "x"))
    schedule.add(Item(2, "x"))
    schedule.add(Item(3, "x", near=("made by 2",), after=(2,)))
    assert given(schedule.finish(1, "a")) == []
    assert given(schedule.finish(2, "b", made=["made by 2"])) == [(3, "b")]


def test_an_item_goes_where_the_one_before_it_was_done() -> None:
    """It goes on from the steps of that one."""
    schedule = schedule_of("abc")
    schedule.add(Item(1, "x"))
    schedule.add(Item(2, "x"))
    schedule.add(Item(3, "x", near=("made by 1",), after=(2,)))
    schedule.finish(1, "a", made=["made by 1"])
    assert given(schedule.finish(2, "b")) == [(3, "b")]


def test_what_comes_after_others_waits_for_all_of_them() -> None:
    schedule = schedule_of("ab")
    schedule.add(Item(1))
    schedule.add(Item(2))
    assert schedule.add(Item(3, after=(1, 2, 99))) == [], "what nobody knows is done"
    assert schedule.finish(1, "a") == []
    assert [number for number, _ in given(schedule.finish(2, "b"))] == [3]


def test_workers_spread_over_models() -> None:
    schedule = WorkSchedule()
    for number in range(8):
        schedule.add(Item(number, "xy"[number // 4]))
    assert [given(schedule.join(worker))[0][0] for worker in "abcd"] == [0, 4, 1, 5]


def test_what_a_lost_worker_left_comes_first() -> None:
    schedule = schedule_of("ab")
    for number in range(4):
        schedule.add(Item(number))
    schedule.leave("a")
    assert schedule.lose(0) == []
    assert given(schedule.finish(1, "b")) == [(0, "b")]
    assert given(schedule.finish(0, "b")) == [(2, "b")]
    assert given(schedule.join("a")) == [(3, "a")], "back again"


def test_what_is_dropped_holds_up_nobody() -> None:
    schedule = schedule_of("a")
    schedule.add(Item(1))
    schedule.add(Item(2))
    schedule.add(Item(3, after=(2,)))
    assert schedule.drop(2) == []
    assert given(schedule.finish(1, "a")) == [(3, "a")]


def test_all_is_done_once_whatever_is_lost() -> None:
    """At random: workers come and go, items wait for others; each is finished once and after what it waits for."""
    for seed in range(40):
        chance = random.Random(seed)
        schedule, done, at_work = WorkSchedule(), list[int](), dict[int, object]()

        def begin(assignments: list[Assignment], at_work: dict[int, object] = at_work) -> None:
            for assignment in assignments:
                assert assignment.worker not in at_work.values()
                at_work[assignment.number] = assignment.worker

        items = [
            Item(n, chance.choice("xyz"), (), tuple(chance.sample(range(n), min(n, chance.randrange(3)))))
            for n in range(60)
        ]
        away = list(range(5))
        for item in items:
            begin(schedule.add(item))
        while len(done) < len(items):
            if away and (chance.random() < 0.5 or not at_work):
                begin(schedule.join(away.pop()))
            elif at_work:
                number = chance.choice(list(at_work))
                worker = at_work.pop(number)
                if chance.random() < 0.2:
                    schedule.leave(worker)
                    away.append(worker)
                    begin(schedule.lose(number))
                else:
                    assert set(items[number].after) <= set(done)
                    done.append(number)
                    begin(schedule.finish(number, worker))
        assert sorted(done) == list(range(60))


def test_the_makespan_is_near_the_bound() -> None:
    run = simulate(Sweep(workers=20, chains=150, length=4, models=5))
    assert run.items == 600
    assert run.bound <= run.makespan <= 1.25 * run.bound


@pytest.mark.parametrize("sweep", [Sweep(50, 500, 2, 3), Sweep(50, 500, 2, 400), Sweep(5, 500, 2, 3)])
def test_twice_the_items_take_twice_the_calls(sweep: Sweep) -> None:
    once = calls_of(lambda: simulate(sweep))
    twice = calls_of(lambda: simulate(sweep.with_chains(2 * sweep.chains)))
    assert twice < 2.3 * once
