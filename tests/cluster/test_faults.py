"""What goes wrong on a worker or on the way to it is told once, in one clear error; nothing that was done is lost."""

from __future__ import annotations

import pickletools
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_latents.cluster import crew, starting
from jupyter_latents.cluster.cards import WorkerCard
from jupyter_latents.cluster.crew import Member, is_loss
from jupyter_latents.cluster.engine import RayEngine
from jupyter_latents.cluster.following import Following
from jupyter_latents.cluster.orders import Orders
from jupyter_latents.cluster.pool import Pool, Turn
from jupyter_latents.cluster.starting import Connection
from jupyter_latents.cluster.worker import Message
from jupyter_latents.engine import Inputs, Item, Silent, Span, StageResult, StepEvent
from jupyter_latents.errors import ModelError, RunError, SettingError
from jupyter_latents.latents.facts import CLEAN
from jupyter_latents.session import Session, Task
from jupyter_latents.stage import ModelSource
from jupyter_latents.syntax import Script
from tests.display.fake_run import latents_at, noise_at, stage

CARD = WorkerCard("lab-3", 4711, "cpu", 1, "as here")
STAGE = stage("base")


@pytest.fixture(autouse=True)
def imported(ray_library: Any) -> None:
    """Faults are Ray's own."""


def fault(name: str, *given: Any) -> Exception:
    from ray import exceptions

    made: Exception = getattr(exceptions, name)(*given)
    return made


def failing(error: Exception, steps: int) -> Orders:
    """Orders to a worker that fails after some steps."""

    def messages(_order: Any) -> Iterator[Message]:
        span = Span(0, 30, 30, 1, 30)
        yield Message("phase", (SimpleNamespace(name="denoising", span=span, noise=noise_at(0, 30)),))
        for step in range(1, steps + 1):
            yield Message("step", (StepEvent(step, step, span, CLEAN), latents_at(STAGE, step)))
        raise error

    run = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=messages))
    actor = SimpleNamespace(run=run, steer=SimpleNamespace(remote=lambda *_: None))
    pool = Pool([Member("worker-0", actor, CARD)], lambda _: None)
    following = Following(Inputs(), Silent(), lambda *_: None, lambda: False, lambda *_: [])
    return Orders(SimpleNamespace(get=lambda value: value), pool, following, lambda: False)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ("OutOfDiskError", "Local disk is full"),
            r"the disk of lab-3 \(cpu, process 4711\) or of this machine",
        ),
        (("GetTimeoutError", "no answer"), r"lab-3 \(cpu, process 4711\) failed unexpectedly: GetTimeoutError"),
    ],
)
def test_a_fault_of_ray_is_one_error_that_holds_the_steps_before_it(error: tuple[str, str], told: str) -> None:
    orders = failing(fault(*error), 12)
    turn = Turn(Item(orders.pool.number()), "base")
    orders.pool.queue(turn)
    with pytest.raises(RunError, match=told) as caught:
        orders.stage(turn, STAGE, Inputs())
    assert isinstance(caught.value.partial, StageResult)
    assert caught.value.partial.latents.position.step == 12


@pytest.mark.parametrize(
    ("full", "told"), [("", "seconds. What"), ("/tmp", "seconds: the disk of /tmp, where Ray keeps")]
)
def test_workers_that_find_no_room_to_start_again_are_waited_for_no_longer_than_others(full: str, told: str) -> None:
    now, gate = [0.0], threading.Event()

    def gone(_member: Member) -> None:
        gate.wait(60)

    pool = Pool([Member("worker-0", None, CARD)], gone, lambda: full, lambda: now[0])
    turn = Turn(Item(pool.number()), "base")
    pool.queue(turn)
    pool.lost(turn)
    now[0] = 121.0
    with pytest.raises(RunError, match=f"no worker has answered for 120 {told}"):
        pool.wait(turn)
    gate.set()


def test_what_ends_a_worker_is_a_loss() -> None:
    """Its stage goes on elsewhere."""
    assert is_loss(fault("OutOfMemoryError", "killed"))
    assert is_loss(fault("LocalRayletDiedError"))
    assert not is_loss(fault("OutOfDiskError", "full"))


def test_a_full_disk_that_a_model_is_fetched_to_is_told_by_worker() -> None:
    def full(*_: Any) -> Any:
        raise ModelError("someone/model cannot be fetched: No space left on device.")

    actor = SimpleNamespace(fetch=SimpleNamespace(remote=full))
    engine = RayEngine.__new__(RayEngine)
    engine._pool = Pool([Member("worker-0", actor, CARD)], lambda _: None)
    engine._ray, engine._same = SimpleNamespace(get=lambda value: value), True
    engine._front = SimpleNamespace(fetch=lambda _: None)  # type: ignore[assignment]
    with pytest.raises(ModelError, match=r"lab-3 \(cpu, process 4711\): .*No space left on device"):
        engine.fetch(ModelSource("someone/model"))


class Machines:
    """In Ray's place: two machines, of which the other says something of itself."""

    def __init__(self, **there: str) -> None:
        self.there = crew._versions(crew._PACKAGES) | {"host": "lab-4"} | there
        strategy = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda *_, **__: None)
        self.util = SimpleNamespace(scheduling_strategies=strategy)

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "own")

    def remote(self, _function: Any) -> Any:
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda _names: self.there))

    def wait(self, asked: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return asked, []

    def get(self, asked: list[Any], **_: Any) -> list[Any]:
        return asked


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ({"jupyter-latents": ""}, "lab-4 has no jupyter-latents"),
        ({"torch": "1.0"}, "lab-4 has torch 1.0, here is "),
        ({"Python": "3.99"}, "lab-4 has Python 3.99, here is "),
    ],
)
def test_a_machine_that_lacks_something_is_told_before_anything_runs(there: dict[str, str], told: str) -> None:
    nodes = [{"NodeID": "own"}, {"NodeID": "other"}]
    crew._check_machines(Machines(), nodes)
    with pytest.raises(SettingError, match=f"do not match this process: {told}.*Install the same versions there"):
        crew._check_machines(Machines(**there), nodes)


def test_a_machine_without_the_package_can_be_asked_for_its_versions() -> None:
    from ray import cloudpickle

    content = cloudpickle.dumps(crew._by_value(crew._versions))
    texts = [argument for _, argument, _ in pickletools.genops(content) if isinstance(argument, str)]
    assert not [text for text in texts if text.startswith("jupyter_latents.")]
    assert cloudpickle.loads(content)(("torch",)).keys() == {"host", "Python", "torch"}


def test_another_version_of_ray_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: Any) -> Any:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.0.0\n    Python: 3.9")

    ray = SimpleNamespace(init=init, is_initialized=lambda: False, shutdown=lambda: None)
    monkeypatch.setattr(Connection, "_keeper", None)
    monkeypatch.setattr(starting, "_library", lambda _address: ray)
    monkeypatch.setattr(starting, "_knock", lambda _address: None)
    with pytest.raises(SettingError, match=r"10.0.0.5:6379 cannot be joined: Version mismatch.*Ray: 2.0.0 Python: 3.9"):
        Connection.start("10.0.0.5:6379")


def test_a_session_keeps_what_was_done_when_a_worker_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps are bound, and the same cell goes on from them."""
    from jupyter_latents.engine import local_engine
    from jupyter_latents.engine.local import LocalEngine
    from jupyter_latents.settings import Settings

    engine, run, full_disk = local_engine(Settings()), LocalEngine.run, fault("OutOfDiskError", "full")

    def full(own: LocalEngine, one: Any, inputs: Inputs, observer: Any, *asked: Any) -> StageResult:
        done = run(own, one, inputs, observer, lambda: True, asked[1])
        told = crew.ray_fault(full_disk, CARD, done)
        assert told is not None
        raise told

    session = Session({}, engine=engine)
    script = Script("demo/scenes --prompts cat --seeds 3 --inference-steps 3 --output-size 64 --into base")
    with monkeypatch.context() as broken:
        broken.setattr(LocalEngine, "run", full)
        first = session.start(Task(script), Silent())
        assert first.wait(60)
    assert "the disk of lab-3" in str(first.error)
    assert session.names["base"].position.step == 1
    again = session.start(Task(script), Silent())
    assert again.wait(60)
    assert (again.error, again.model_evaluations) == (None, 2)
