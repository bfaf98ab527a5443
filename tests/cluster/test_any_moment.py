"""A worker is lost after each of its messages in turn, without Ray: the worker's own code, in this process."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from jupyter_latents.cluster.crew import Member
from jupyter_latents.cluster.following import Following
from jupyter_latents.cluster.orders import Orders
from jupyter_latents.cluster.parcels import Parcel
from jupyter_latents.cluster.pool import Pool, Turn
from jupyter_latents.cluster.worker import Message, Order, RayWorker
from jupyter_latents.engine import Inputs, Item, Silent, StageResult
from jupyter_latents.settings import Settings
from jupyter_latents.stage import Prompt, Size, Stage, Window
from tests.display.fake_run import stage

NUMBERS = itertools.count()


def _gone() -> Exception:
    from ray import exceptions

    return exceptions.ActorDiedError()


class Mortal:
    """A worker that is lost after so many messages, and lives on from then."""

    def __init__(self, worker: RayWorker, dies_after: int) -> None:
        self.worker, self.left, self.steps, self.said = worker, dies_after, 0, list[str]()
        self.run = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self._run))
        self.stopped = list[int]()
        self.steer = SimpleNamespace(remote=self._steer)

    def _steer(self, number: int, word: str) -> None:
        assert word == "stop"
        self.stopped.append(number)
        self.worker.steer(number, word)

    def _run(self, order: Order) -> Iterator[Message]:
        for message in self.worker.run(order):
            self.left -= 1
            if self.left == -1:
                raise _gone()
            self.said.append(message.kind)
            self.steps += message.kind == "step"
            yield message


def result_of(mortal: Mortal, one: Stage, inputs: Inputs) -> StageResult:
    member = Member("worker-0", mortal, mortal.worker.card())
    pool = Pool([member], lambda lost: lost)
    pool._numbers = NUMBERS  # one worker hears of all of them
    turn = Turn(Item(pool.number()), "base")
    pool.queue(turn)
    following = Following(inputs, Silent(), lambda *_: None, lambda: False, lambda *_: [])
    return Orders(SimpleNamespace(get=lambda value: value), pool, following, lambda: False).stage(turn, one, inputs)


@pytest.fixture(scope="module")
def worker(ray_library: Any) -> RayWorker:
    return RayWorker(torch.get_num_threads(), Settings())


def asked(**changes: Any) -> Stage:
    return stage("base", prompt=Prompt("cat"), num_inference_steps=4, size=Size(64, 64), **changes)


@pytest.mark.parametrize("end", [0.5, None])
def test_a_worker_that_is_lost_after_any_message_costs_a_step_at_most(worker: RayWorker, end: float | None) -> None:
    one = asked(window=Window(None, end))
    result_of(Mortal(worker, 1000), one, Inputs())  # loads the model, and says so
    whole = Mortal(worker, 1000)
    expected = result_of(whole, one, Inputs())
    for number in range(len(whole.said)):
        mortal = Mortal(worker, number)
        found = result_of(mortal, one, Inputs())
        assert torch.equal(found.latents.tensor, expected.latents.tensor), whole.said[number]
        assert [step.digest for step in found.latents.trajectory] == [one.digest for one in expected.latents.trajectory]
        assert found.latents.provenance == expected.latents.provenance
        assert (found.span, found.timesteps) == (expected.span, expected.timesteps)
        assert len(mortal.stopped) == 1, "one that was out of reach only is told to end"
        assert whole.steps <= mortal.steps <= whole.steps + 1, whole.said[number]


def test_a_worker_runs_one_order_at_a_time(worker: RayWorker) -> None:
    """One that was given up runs on until it hears of it."""
    parcel, said = Parcel.of(Inputs()), list[int]()

    def go(number: int) -> None:
        for message in worker.run(Order(number, (asked(seed=number),), parcel.outline, (), "/")):
            said.extend([number] * (message.kind == "step"))

    threads = [threading.Thread(target=go, args=(number,)) for number in (1001, 1002)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said in ([1001] * 4 + [1002] * 4, [1002] * 4 + [1001] * 4)
