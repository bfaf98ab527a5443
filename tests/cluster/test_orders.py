"""How often a stage is given to another worker, with streams in the place of workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_latents.cluster import orders as orders_module
from jupyter_latents.cluster.cards import WorkerCard
from jupyter_latents.cluster.crew import Member
from jupyter_latents.cluster.following import Following
from jupyter_latents.cluster.orders import _ATTEMPTS, Orders
from jupyter_latents.cluster.pool import Pool, Turn
from jupyter_latents.cluster.worker import Message
from jupyter_latents.engine import Inputs, Item, Silent, Span, StepEvent, WorkerRow
from jupyter_latents.errors import RunError
from jupyter_latents.latents.facts import CLEAN
from tests.display.fake_run import latents_at, stage

STAGE = stage("base")


class Workers:
    """A worker whose life ends after so many steps, and another one after it."""

    def __init__(self, *steps: int) -> None:
        self.steps, self.lost, self.pool = list(steps), 0, SimpleNamespace()
        actor = SimpleNamespace(run=SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self.run)))
        member = SimpleNamespace(actor=actor, card="lab-3")
        self.pool = SimpleNamespace(
            wait=lambda *_: member,
            lost=self.lose,
            closed=True,
            number=lambda: 1,
            count=lambda *_: None,
            check=lambda *_: None,
        )

    def lose(self, _turn: Any) -> None:
        self.lost += 1

    def run(self, _order: Any) -> Iterator[Message]:
        for step in range(1, self.steps.pop(0) + 1):
            event = StepEvent(step, step, Span(0, 30, 30, 1, 30), CLEAN)
            yield Message("step", (event, latents_at(STAGE, step)))
        if not self.steps:
            yield Message("result", (SimpleNamespace(stopped=False),))
            yield Message("end")


def go(monkeypatch: pytest.MonkeyPatch, workers: Workers) -> Any:
    monkeypatch.setattr(orders_module, "keeps_law", lambda _: False)  # each begins anew: streams know no rests
    following = Following(Inputs(), Silent(), lambda *_: None, lambda: False, lambda *_: [])
    orders = Orders(SimpleNamespace(get=lambda value: value), workers.pool, following, lambda: False)  # type: ignore[arg-type]
    return orders.stage(SimpleNamespace(name="base", member=None), STAGE, Inputs())  # type: ignore[arg-type]


def test_a_stage_that_comes_further_each_time_may_lose_any_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(*range(1, 21), 30)
    go(monkeypatch, workers)
    assert workers.lost == 20


@pytest.mark.parametrize("before", [(), (4, 9)])
def test_a_stage_that_loses_its_workers_at_one_step_ends(
    monkeypatch: pytest.MonkeyPatch, before: tuple[int, ...]
) -> None:
    workers = Workers(*before, *[12] * 20)
    with pytest.raises(RunError, match=f"lost {_ATTEMPTS} workers one after the other"):
        go(monkeypatch, workers)
    assert workers.lost == len(before) + _ATTEMPTS


def on_one_worker(came_back_as: WorkerCard) -> list[WorkerRow]:
    """The table after a stage on a worker that was killed and came back while nobody asked it for anything."""

    def messages(_order: Any) -> Iterator[Message]:
        yield Message("begun", (came_back_as,))
        yield Message("result", (SimpleNamespace(stopped=False),))
        yield Message("end")

    run = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=messages))
    actor = SimpleNamespace(run=run, steer=SimpleNamespace(remote=lambda *_: None))
    pool = Pool([Member("worker-0", actor, CARD)], lambda _: None)
    turn = Turn(Item(pool.number()), "base")
    pool.queue(turn)
    following = Following(Inputs(), Silent(), lambda *_: None, lambda: False, lambda *_: [])
    Orders(SimpleNamespace(get=lambda value: value), pool, following, lambda: False).stage(turn, STAGE, Inputs())
    return pool.rows()


CARD = WorkerCard("lab-3", 4711, "cpu", 1, "as here")


def test_a_worker_that_came_back_is_told_as_the_process_that_it_is() -> None:
    (row,) = on_one_worker(replace(CARD, process=4712))
    assert row.process == 4712


def test_a_worker_that_came_back_as_another_kind_never_answers() -> None:
    with pytest.raises(RunError, match=r"lab-3 \(cpu, process 4711\) came back as lab-4 \(cpu, process 1\)"):
        on_one_worker(WorkerCard("lab-4", 1, "cpu", 1, "otherwise"))
