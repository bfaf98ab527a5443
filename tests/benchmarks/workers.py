"""Several workers: what an item costs above its steps, what two workers gain, and the schedule at scale."""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

from jupyter_latents.cluster import ray_engine
from jupyter_latents.cluster.starting import Connection
from jupyter_latents.engine import Silent, local_engine
from jupyter_latents.session import Session, Task
from jupyter_latents.settings import Settings
from jupyter_latents.syntax import Script
from tests.cluster.simulation import Sweep, simulate

__all__ = ["at_scale", "overhead", "started", "sweeps"]

_SEEDS = " ".join(map(str, range(1, 25)))


def _seconds(engine: Any, script: str) -> float:
    """Seconds of a script in a session of its own, whose models are loaded."""
    session = Session({}, engine=engine)
    began = time.perf_counter()
    run = session.start(Task(Script(script)), Silent())
    run.wait()
    run.check()
    return time.perf_counter() - began


def started(workers: int) -> tuple[Any, float]:
    """An engine of so many workers with the demo model loaded, and the seconds that they took to start."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:workers])
    began = time.perf_counter()
    try:
        engine = ray_engine(None, Settings())
    finally:
        os.sched_setaffinity(0, cores)
    took = time.perf_counter() - began
    _seconds(engine, f"demo/scenes --prompts cat --seeds {_SEEDS} --inference-steps 1")
    return engine, took


def overhead(engine: Any, repeats: int) -> tuple[float, float]:
    """Seconds of one stage of a single step above the same in this process; and of each further step."""
    here = local_engine(Settings())
    found: dict[tuple[str, int], list[float]] = {}
    for round_ in range(repeats + 1):
        for steps in (1, 21):
            script = f"demo/scenes --prompts hill --seeds {round_} --inference-steps {steps}"
            for name, one in (("here", here), ("there", engine)):
                seconds = _seconds(one, script)
                if round_:
                    found.setdefault((name, steps), []).append(seconds)
    middle = {key: statistics.median(seconds) for key, seconds in found.items()}
    item = middle["there", 1] - middle["here", 1]
    return item, (middle["there", 21] - middle["here", 21] - item) / 20


def sweeps(repeats: int) -> dict[str, list[float]]:
    """Seconds of a sweep of 24 items on one worker, on two, and in this process; a round of each after the other."""
    script = f"demo/scenes --prompts hill --seeds {_SEEDS} --inference-steps 30"
    found: dict[str, list[float]] = {}
    here = local_engine(Settings())
    _seconds(here, "demo/scenes --prompts cat --inference-steps 1")
    for name, workers in (("this process", 0), ("one worker", 1), ("two workers", 2)):
        engine = started(workers)[0] if workers else here
        found[name] = [_seconds(engine, script) for _ in range(max(1, repeats // 3))]
        Connection.end()
    return found


def at_scale(workers: int, items: int) -> dict[str, float]:
    """A sweep of pairs of stages on a virtual clock, by the schedule that the engine uses."""
    sweep = Sweep(workers, items // 2, 2, models=8)
    began = time.process_time()
    half = simulate(sweep.with_chains(sweep.chains // 2))
    middle = time.process_time()
    whole = simulate(sweep)
    end = time.process_time()
    counted = simulate(sweep.with_chains(sweep.chains), count_memory=True)
    return {
        "makespan": whole.makespan,
        "bound": whole.bound,
        "loads": whole.loads,
        "seconds": end - middle,
        "growth": (end - middle) / (middle - began),
        "half": half.items,
        "memory": counted.memory,
    }
