"""Sweeps on a virtual clock, by the very schedule that the engine of workers uses."""

from __future__ import annotations

import heapq
import random
import tracemalloc
from collections.abc import Hashable
from dataclasses import dataclass, replace

from jupyter_latents.cluster import Assignment, WorkSchedule
from jupyter_latents.engine import Item


@dataclass(frozen=True)
class Sweep:
    """What is simulated.

    Attributes:
        workers: How many.
        chains: How many chains of items there are, each item after the one before it.
        length: Items of a chain.
        models: How many models they run on, by turns.
        load: Seconds to load a model that a worker did not run last.
    """

    workers: int
    chains: int
    length: int
    models: int
    load: float = 5.0

    def with_chains(self, chains: int) -> Sweep:
        return replace(self, chains=chains)


@dataclass(frozen=True)
class Simulation:
    """What came of it.

    Attributes:
        items: How many were done.
        makespan: Seconds of the virtual clock to the last one's end.
        bound: What no schedule can be faster than: all seconds over all workers, or those of the longest chain.
        loads: How often a worker loaded a model.
        memory: Bytes that the schedule took at most; 0 where they were not counted.
    """

    items: int
    makespan: float
    bound: float
    loads: int
    memory: int = 0


def simulate(sweep: Sweep, *, count_memory: bool = False) -> Simulation:
    """Runs a sweep to its end."""
    chance = random.Random(7)
    seconds = [chance.uniform(5, 15) for _ in range(sweep.chains * sweep.length)]
    if count_memory:
        tracemalloc.start()
    schedule = WorkSchedule()
    clock, loads, done = 0.0, 0, 0
    ends: list[tuple[float, int, Hashable]] = []
    last: dict[Hashable, Hashable] = {}

    def begin(assignments: list[Assignment]) -> None:
        nonlocal loads
        for assignment in assignments:
            model = (assignment.number // sweep.length) % sweep.models
            new = last.get(assignment.worker) != model
            last[assignment.worker] = model
            loads += new
            heapq.heappush(
                ends, (clock + seconds[assignment.number] + new * sweep.load, assignment.number, assignment.worker)
            )

    for worker in range(sweep.workers):
        begin(schedule.join(worker))
    for number in range(sweep.chains * sweep.length):
        place = number % sweep.length
        after, near = ((number - 1,), (f"made by {number - 1}",)) if place else ((), ())
        begin(schedule.add(Item(number, (number // sweep.length) % sweep.models, near, after)))
    while ends:
        clock, number, worker = heapq.heappop(ends)
        done += 1
        begin(schedule.finish(number, worker, [f"made by {number}"]))
    memory = tracemalloc.get_traced_memory()[1] if count_memory else 0
    if count_memory:
        tracemalloc.stop()
    chains = (sum(seconds[first : first + sweep.length]) for first in range(0, len(seconds), sweep.length))
    bound = max([sum(seconds) / sweep.workers, *chains])
    return Simulation(done, clock, bound, loads, memory)
