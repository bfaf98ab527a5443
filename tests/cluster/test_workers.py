"""Stages on two workers of a real Ray: equal to those of this process, counted, stopped, and killed."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil
import pytest
import torch

from jupyter_latents.cluster import models
from jupyter_latents.cluster.engine import RayEngine
from jupyter_latents.cluster.parcels import Parcel
from jupyter_latents.engine import ItemEvent, Look, Phase, Silent, StageResult, StepEvent, WorkerRow, local_engine
from jupyter_latents.errors import HandoffError, ModelError, RunError
from jupyter_latents.session import Session, Task
from jupyter_latents.session.runs.run import Run
from jupyter_latents.settings import Settings
from jupyter_latents.stage import ModelSource
from jupyter_latents.syntax import Script

SECONDS = 300
EULER = "--schedulers EulerAncestralDiscreteScheduler --output-size 64"
SWEEP = f"""\
demo/scenes --prompts 'a lighthouse' --seeds 1 2 3 --inference-steps 6 --denoising-end 0.5 0.8 {EULER} --into base

demo/paper --prompts 'a boat' --inference-steps 6 {EULER} --image-seeds 'latents: base' --into final"""


class Watch(Silent):
    """Keeps what it is told, and calls somebody at each news of an item."""

    def __init__(self, heard: Callable[[ItemEvent], object] = lambda _: None) -> None:
        self.notes: list[str] = []
        self.items: list[tuple[ItemEvent, Sequence[WorkerRow]]] = []
        self.looks: dict[int, Any] = {}
        self.steps: list[tuple[StepEvent, Any]] = []
        self.phases: list[str] = []
        self.results: list[StageResult] = []
        self.heard = heard

    def note(self, text: str, *, warning: bool = False) -> None:
        self.notes.append(text)

    def phase(self, phase: Phase) -> None:
        self.phases.append(phase.name)

    def step(self, event: StepEvent, look: Look) -> None:
        shown = look.latents(event.step)
        self.steps.append((event, (look.preview()[0].tobytes(), look.values().tobytes(), shown.digest)))

    def item(self, event: ItemEvent, workers: Sequence[WorkerRow], look: Look | None = None) -> None:
        self.items.append((event, workers))
        self.looks[event.index] = look or self.looks.get(event.index)
        self.heard(event)

    def result(self, result: StageResult) -> None:
        self.results.append(result)


def start(engine: Any, script: str, watch: Watch | None = None) -> tuple[Session, Run]:
    session = Session({}, engine=engine)
    return session, session.start(Task(Script(script)), watch or Watch())


def run(engine: Any, script: str, watch: Watch | None = None, seconds: float = SECONDS) -> tuple[Session, Run]:
    session, run = start(engine, script, watch)
    assert run.wait(seconds)
    if run.error is not None:
        raise run.error
    return session, run


@pytest.fixture(scope="module")
def local() -> Any:
    torch.set_num_threads(1)
    return local_engine(Settings())


@pytest.fixture(scope="module")
def expected(local: Any) -> dict[str, Any]:
    return dict(run(local, SWEEP)[0].names)


def evaluations(ray: RayEngine) -> int:
    """Those that were heard of; `done_there` counts in the processes, as long as none is killed."""
    return sum(row.evaluations for row in ray.workers())


def done_there(ray: RayEngine) -> int:
    return sum(ray._of_all("evaluations"))


def assert_same(found: Any, expected: dict[str, Any]) -> None:
    for name in ("base", "final"):
        for one, other in zip(found[name], expected[name], strict=True):
            assert torch.equal(one.tensor, other.tensor)
            assert one.facts() == other.facts()
            assert one.provenance == other.provenance
            assert [step.digest for step in one.trajectory] == [step.digest for step in other.trajectory]
        assert found[name].labels == expected[name].labels


def fewest(expected: dict[str, Any]) -> int:
    """Evaluations of the sweep where nothing is run twice: a seed's shorter end is the beginning of its longer one."""
    steps = [latents.position.step for latents in expected["base"]]
    return 3 * max(steps) + sum(6 - step for step in steps)


def test_a_sweep_on_two_workers_is_the_local_one_with_as_few_evaluations(
    ray: RayEngine, expected: dict[str, Any]
) -> None:
    watch, before, there = Watch(), evaluations(ray), done_there(ray)
    session, done = run(ray, SWEEP, watch)
    assert_same(session.names, expected)
    assert evaluations(ray) - before == fewest(expected) == done.model_evaluations
    assert done_there(ray) - there == fewest(expected)
    assert len({look.preview()[0].tobytes() for look in watch.looks.values()}) == 12, "each shows its own pictures"
    assert len(watch.results) == 12
    assert {event.state for event, _ in watch.items} == {"waiting", "running", "done"}
    assert sorted({event.index for event, _ in watch.items}) == list(range(12))
    busy = [{row.process for row in rows if row.state == "busy"} for _, rows in watch.items]
    assert max(map(len, busy)) == 2
    assert {row.model for _, rows in watch.items for row in rows} >= {"demo/scenes", "demo/paper"}
    assert [step.stage_index for step in done.log._steps] == sorted(step.stage_index for step in done.log._steps)
    again = session.start(Task(Script(SWEEP)), Watch())
    assert again.wait(SECONDS)
    assert again.model_evaluations == 0, "it is kept from before"


def test_nothing_of_this_process_is_replaced(ray: RayEngine, expected: dict[str, Any]) -> None:
    """Ray would put a print of its own in the place of Python's."""
    assert type(print).__name__ == "builtin_function_or_method"


def test_one_stage_is_watched_as_a_local_one(ray: RayEngine, local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = list[str]()
    content = Parcel.content
    monkeypatch.setattr(Parcel, "content", lambda own, digests: sent.extend(digests) or content(own, digests))
    script = SWEEP.replace(" 1 2 3", " 5").replace(" 0.5 0.8", " 0.5")
    here, there = Watch(), Watch()
    own, other = run(local, script, here)[0], run(ray, script, there)[0]
    assert sent == [], "the second stage ran where the latents of the first were made"
    assert there.steps == here.steps
    assert there.phases == here.phases
    for name in ("base", "final"):
        assert torch.equal(other.names[name].tensor, own.names[name].tensor)
        assert other.names[name].facts() == own.names[name].facts()
    assert other.decode(other.names["base"])[0].tobytes() == own.decode(own.names["base"])[0].tobytes()
    assert other.preview(other.names["base"])[0].tobytes() == own.preview(own.names["base"])[0].tobytes()
    assert other.plan(Task(Script(script))).rows() == own.plan(Task(Script(script))).rows()
    held = {name for row in ray.holdings() for name in row.models}
    assert held >= {"demo/scenes", "demo/paper"}
    assert ray.unload("demo/paper") > 0
    assert "demo/paper" not in {name for row in ray.holdings() for name in row.models}


def test_a_batch_of_seeds_runs_on_one_worker(ray: RayEngine, local: Any) -> None:
    script = f"demo/scenes --prompts cat --seeds 3 4 --inference-steps 2 {EULER} --batch-seeds --into two"
    own, other = run(local, script)[0].names["two"], run(ray, script)[0].names["two"]
    assert all(torch.equal(*pair) for pair in zip([a.tensor for a in own], [b.tensor for b in other], strict=True))


def test_a_refusal_of_a_worker_reads_as_one_of_this_process(ray: RayEngine, local: Any) -> None:
    script = f"{SWEEP} --output-size 128"
    messages = []
    for engine in (local, ray):
        with pytest.raises(HandoffError) as caught:
            run(engine, script)
        messages.append((str(caught.value), caught.value.place))
    assert messages[0] == messages[1]


def test_a_model_that_workers_lack_is_told_by_worker(ray: RayEngine) -> None:
    with pytest.raises(ModelError, match=r"is not the same on all workers: .* has other files of it; .* has other"):
        models.check_models(ray._ray, ray._pool.members, ModelSource("demo/scenes"), "of other files")
    with pytest.raises(ModelError, match=r"is not the same on all workers: .*process"):
        models.check_models(ray._ray, ray._pool.members, ModelSource("/of/this/machine/alone"), "x")


LONG = f"demo/scenes --prompts cat --seeds 1 2 --inference-steps 400 {EULER} --into several"


def both_at_step(number: int) -> tuple[Watch, threading.Event, dict[int, int]]:
    """A watch that says when two items have come to a step, and how far they are."""
    there, steps = threading.Event(), dict[int, int]()

    def heard(event: ItemEvent) -> None:
        steps[event.index] = event.step
        if len(steps) == 2 and min(steps.values()) >= number:
            there.set()

    return Watch(heard), there, steps


ON_THE_WAY = 10
"""Steps whose news may still be on its way here when the workers have heard."""


def settled(ray: RayEngine, steps: dict[int, int]) -> dict[int, int]:
    """How far the items are when no more news comes while the workers answer some questions."""
    seen: dict[int, int] = {}
    while seen != steps:
        seen = dict(steps)
        for _ in range(20):
            ray.holdings()
    return seen


def test_a_stop_and_a_pause_are_heard_soon_on_each_worker(ray: RayEngine) -> None:
    """They ask after each step; what is told of it comes later."""
    watch, there, steps = both_at_step(3)
    _, long = start(ray, LONG, watch)
    assert there.wait(SECONDS)
    before = dict(steps)
    long.pause()
    paused = settled(ray, steps)
    assert all(paused[index] - before[index] <= ON_THE_WAY for index in paused)
    assert all(steps[index] - paused[index] <= 1 for index in steps)
    long.resume()
    go_on, there_too = max(paused.values()) + 4, threading.Event()
    watch.heard = lambda event: there_too.set() if event.step >= go_on else None
    assert there_too.wait(SECONDS)
    told = {event.index: event.step for event, _ in watch.items}
    long.stop()
    assert long.wait(SECONDS)
    assert (long.state, long.error) == ("stopped", None)
    ends = {event.index: event.step for event, _ in watch.items}
    assert all(ends[index] - told[index] <= ON_THE_WAY for index in told)
    assert long.results[0].latents.position.step < 400
    while any(row.state != "free" for row in ray.workers()):
        ray.holdings()


def kill(ray: RayEngine, chance: random.Random) -> bool:
    """Kills a worker, one at work where there is one; whether one was there to kill."""
    rows = [row for row in ray.workers() if row.state == "busy"] or [r for r in ray.workers() if r.state == "free"]
    if not rows:
        return False
    try:
        os.kill(chance.choice(rows).process, signal.SIGKILL)
    except ProcessLookupError:  # killed before, which nobody has noticed yet
        return False
    return True


@pytest.mark.parametrize(("many", "told"), [(2, 1), pytest.param(5, 3, marks=pytest.mark.slow)])
def test_killed_workers_cost_a_step_each_at_most(
    ray: RayEngine, expected: dict[str, Any], many: int, told: int
) -> None:
    """Each kill at one of its messages, and what it costs: `test_any_moment.py`."""
    chance, kills, news = random.Random(11), list[int](), [0]
    moments = sorted(chance.sample(range(12, 100), many))

    def heard(_event: ItemEvent) -> None:
        news[0] += 1
        if len(kills) < many and news[0] >= moments[len(kills)] and kill(ray, chance):
            kills.append(news[0])

    watch, before = Watch(heard), evaluations(ray)
    session, done = run(ray, SWEEP, watch)
    assert len(kills) == many
    assert_same(session.names, expected)
    assert sum("is gone" in note for note in watch.notes) >= told, "the others had ended their item, or were idle"
    whole = fewest(expected)
    assert done.model_evaluations == whole
    assert whole <= evaluations(ray) - before <= whole + many


@pytest.mark.parametrize("steps", [(8,), pytest.param((8, 35), marks=pytest.mark.slow)])
def test_workers_killed_between_two_steps_cost_none(ray: RayEngine, local: Any, steps: tuple[int, ...]) -> None:
    script = (
        f"demo/scenes --prompts cat --seeds {5 + len(steps)} --inference-steps 60 --denoising-end 0.05 {EULER} "
        "--into base\n\n"
        f"demo/scenes --prompts dog --inference-steps 60 {EULER} --image-seeds 'latents: base' --into final"
    )
    reached, watch = {number: threading.Event() for number in steps}, Watch()
    watch.step = lambda event, look: reached[event.step].set() if event.step in reached else None  # type: ignore[method-assign]
    session, twice = start(ray, script, watch)
    for event in reached.values():
        assert event.wait(SECONDS)
        twice.pause()
        ray.holdings()
        assert kill(ray, random.Random(1))
        twice.resume()
    assert twice.wait(SECONDS)
    assert (twice.error, twice.model_evaluations) == (None, 60)
    assert sum("is gone; final goes on from step" in note for note in watch.notes) == len(steps)
    here, there = run(local, script)[0].names["final"], session.names["final"]
    assert torch.equal(there.tensor, here.tensor)
    assert there.provenance == here.provenance
    assert [step.digest for step in there.trajectory] == [step.digest for step in here.trajectory]
    assert [step.provenance for step in there.trajectory] == [step.provenance for step in here.trajectory]


@pytest.mark.slow
def test_a_hundred_kills_at_random_moments(
    ray: RayEngine, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come while workers start, load, denoise and send; how many one stage may lose is tested elsewhere.

    Between two lie at most the seconds of a whole sweep: where each worker is killed before its first step,
    nothing is ever done. `KILLS=20` makes it fewer.
    """
    seed = random.SystemRandom().randrange(2**32)
    many, chance, kills, ended = int(os.environ.get("KILLS", "100")), random.Random(seed), [0], threading.Event()
    monkeypatch.setattr("jupyter_latents.cluster.orders._ATTEMPTS", 1000)
    began = time.monotonic()
    ray.unload()
    assert_same(run(ray, SWEEP)[0].names, expected)
    most = time.monotonic() - began
    print("seed", seed, f"at most {most:.1f} s between two kills")

    def kill_on() -> None:
        while kills[0] < many and not ended.wait(chance.uniform(0.0, most)):
            kills[0] += kill(ray, chance)

    killer = threading.Thread(target=kill_on)
    killer.start()
    sweeps = 0
    try:
        while kills[0] < many:
            before, killed = evaluations(ray), kills[0]
            assert_same(run(ray, SWEEP, seconds=3600)[0].names, expected)
            assert fewest(expected) <= evaluations(ray) - before <= fewest(expected) + kills[0] - killed + 1
            sweeps += 1
            print(f"{sweeps} sweeps, {kills[0]} kills, {evaluations(ray) - before} evaluations")
    finally:
        ended.set()
        killer.join()


@pytest.mark.slow
def test_a_sweep_of_75_items_with_a_second_stage_is_the_local_one(ray: RayEngine, local: Any) -> None:
    """Five ends by five numbers of steps by three seeds; two workers are killed meanwhile."""
    script = (
        f"demo/scenes --prompts 'a lighthouse' --seeds 1 2 3 --inference-steps 4 5 6 8 10 "
        f"--denoising-end 0.3 0.4 0.6 0.7 0.8 {EULER} --into base\n\n"
        f"demo/scenes --prompts 'a boat' --inference-steps 10 {EULER} --image-seeds 'latents: base' --into final"
    )
    chance, news, kills = random.Random(2), [0], [0]

    def heard(_event: ItemEvent) -> None:
        news[0] += 1
        if news[0] in {200, 500}:
            kills[0] += kill(ray, chance)

    before = evaluations(ray)
    here, own = run(local, script)
    watch = Watch(heard)
    there, other = run(ray, script, watch)
    assert (len(there.names["base"]), len(there.names["final"]), kills[0]) == (75, 75, 2)
    assert_same(there.names, dict(here.names))
    assert own.model_evaluations == other.model_evaluations
    pictures = [[image.tobytes() for result in one.results for image in result.images] for one in (own, other)]
    assert (len(pictures[0]), pictures[1]) == (75, pictures[0])
    assert other.model_evaluations <= evaluations(ray) - before <= other.model_evaluations + 2


@pytest.mark.slow
def test_a_stage_that_kills_each_worker_ends(ray: RayEngine) -> None:
    chance = random.Random(3)

    class Killer(Watch):
        def phase(self, phase: Phase) -> None:
            if phase.name == "denoising":
                kill(ray, chance)

        def step(self, event: StepEvent, look: Look) -> None:
            """Nothing: there may be nobody who could make a preview."""

    with pytest.raises(RunError, match="lost 6 workers one after the other"):
        run(ray, f"demo/scenes --prompts cat --seeds 9 --inference-steps 50 {EULER} --into one", Killer())


def test_where_the_head_ends_the_kernel_lives_and_keeps_what_was_done(ray: RayEngine) -> None:
    """The last test: its workers do not come back."""
    there = threading.Event()

    class First(Watch):
        def step(self, event: StepEvent, look: Look) -> None:
            there.set()

    session, long = start(ray, LONG.replace("--seeds 1 2", "--seeds 8"), First())
    assert there.wait(SECONDS)
    (head,) = [one for one in psutil.Process().children(recursive=True) if one.name() == "raylet"]
    head.kill()
    assert long.wait(SECONDS)
    assert isinstance(long.error, RunError)
    assert "the head of the cluster has ended" in str(long.error)
    assert 0 < session.names["several"].position.step < 400
    with pytest.raises(RunError, match="the head of the cluster has ended"):
        run(ray, SWEEP)
    assert ray.closed
