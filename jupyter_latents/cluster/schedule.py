"""Which worker does which item next: plain logic without clocks, threads or Ray, each step of it in constant time.

A free worker is never idle while an item waits. Of what waits it takes first what a lost worker left, then what is
given latents that were made or used there, or goes on from an item that was done there, then what runs on a model that
it holds, and then the next of the model that was begun longest ago, so that workers spread over the models. An item
that becomes ready chooses among free workers alike.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from jupyter_latents.engine import Item

__all__ = ["Assignment", "WorkSchedule"]

_MODELS = 8
"""Models that a worker is taken to hold still, the last ones that it ran."""

_THINGS = 20_000
"""Latents and items that are done whose whereabouts are remembered."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """An item is to be done by a worker."""

    number: int
    worker: Hashable


class WorkSchedule:
    """Items that wait, workers that are free, and who does what.

    Each method that changes something returns what is to begin then.
    """

    def __init__(self) -> None:
        self._items: dict[int, Item] = {}  # that are not done
        self._missing: dict[int, int] = {}  # of how many items each that is not ready waits
        self._followers: dict[int, list[int]] = {}
        self._ready: set[int] = set()
        self._urgent: deque[int] = deque()
        self._of_model: OrderedDict[Hashable, deque[int]] = OrderedDict()
        self._of_place: dict[Hashable, deque[int]] = {}
        self._free: OrderedDict[Hashable, None] = OrderedDict()
        self._free_with: dict[Hashable, OrderedDict[Hashable, None]] = {}  # model to free workers that hold it
        self._holds: dict[Hashable, OrderedDict[Hashable, None]] = {}  # of every worker that is here
        self._where: OrderedDict[Hashable, Hashable] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Items that nobody does yet and that could begin."""
        return len(self._ready)

    @property
    def workers(self) -> tuple[Hashable, ...]:
        """All workers that are here."""
        return tuple(self._holds)

    def add(self, item: Item) -> list[Assignment]:
        """An item is to be done; what it comes after and is not known is done."""
        self._items[item.number] = item
        before = [number for number in dict.fromkeys(item.after) if number in self._items]
        for number in before:
            self._followers.setdefault(number, []).append(item.number)
        if before:
            self._missing[item.number] = len(before)
            return []
        return self._begin(item)

    def join(self, worker: Hashable) -> list[Assignment]:
        """A worker is here and free, new or again."""
        self._holds.setdefault(worker, OrderedDict())
        return self._take(worker)

    def leave(self, worker: Hashable) -> None:
        """A worker is gone, with all that it held; what it did is told by `lose`."""
        self._occupy(worker)
        self._holds.pop(worker, None)
        self._of_place.pop(worker, None)

    def finish(self, number: int, worker: Hashable, made: Iterable[Hashable] = ()) -> list[Assignment]:
        """An item is done, and its worker is free.

        Args:
            number: The item's.
            worker: Who did it.
            made: What is there now, beside what the item was given.
        """
        item = self._items.pop(number)
        if worker in self._holds:
            self._remember(worker, item, made)
            self._set_free(worker)  # before what follows is ready, which it is near to
        begun = self._release(number)
        return begun + (self._take(worker) if worker in self._free else [])

    def lose(self, number: int) -> list[Assignment]:
        """An item whose worker is gone; another does it next."""
        self._ready.add(number)
        self._urgent.append(number)
        free = next(iter(self._free), None)
        return [] if free is None else self._take(free)

    def drop(self, number: int) -> list[Assignment]:
        """An item that has not begun is not to be done any more; what comes after it need not wait for it."""
        self._items.pop(number, None)
        self._ready.discard(number)
        self._missing.pop(number, None)
        return self._release(number)

    def _release(self, number: int) -> list[Assignment]:
        """What waited for an item alone is ready."""
        begun: list[Assignment] = []
        for follower in self._followers.pop(number, ()):
            if follower in self._missing:
                self._missing[follower] -= 1
                if not self._missing[follower]:
                    del self._missing[follower]
                    begun += self._begin(self._items[follower])
        return begun

    def _begin(self, item: Item) -> list[Assignment]:
        """An item is ready: a free worker does it, or it waits."""
        worker = self._best_free(item)
        if worker is not None:
            self._occupy(worker)
            return [Assignment(item.number, worker)]
        self._ready.add(item.number)
        self._of_model.setdefault(item.model, deque()).append(item.number)
        things = (*item.after, *item.near)
        for place in {self._where[thing]: None for thing in things if thing in self._where}:
            if place in self._holds:
                self._of_place.setdefault(place, deque()).append(item.number)
        return []

    def _best_free(self, item: Item) -> Hashable | None:
        for thing in (*item.after, *item.near):
            worker = self._where.get(thing)
            if worker is not None and worker in self._free:
                return worker
        holders = self._free_with.get(item.model)
        return next(iter(holders or self._free), None)

    def _take(self, worker: Hashable) -> list[Assignment]:
        """What a free worker does next; it stays free where nothing waits."""
        number = self._next_for(worker)
        if number is None:
            self._set_free(worker)
            return []
        self._ready.discard(number)
        self._occupy(worker)
        return [Assignment(number, worker)]

    def _next_for(self, worker: Hashable) -> int | None:
        for queue in (self._urgent, self._of_place.get(worker)):
            if queue and (number := self._first(queue)) is not None:
                return number
        for model in reversed(self._holds[worker]):
            number = self._first_of(model)
            if number is not None:
                return number
        while self._of_model:
            model = next(iter(self._of_model))
            number = self._first_of(model)
            if number is not None:
                return number
        return None

    def _first_of(self, model: Hashable) -> int | None:
        """The next item of a model, which then waits behind the other models."""
        queue = self._of_model.get(model)
        if queue is None:
            return None
        number = self._first(queue)
        if queue:
            self._of_model.move_to_end(model)
        else:
            del self._of_model[model]
        return number

    def _first(self, queue: deque[int]) -> int | None:
        """The first of a queue that nobody took from another one."""
        while queue:
            number = queue.popleft()
            if number in self._ready:
                return number
        return None

    def _set_free(self, worker: Hashable) -> None:
        self._free[worker] = None
        for model in self._holds[worker]:
            self._free_with.setdefault(model, OrderedDict())[worker] = None

    def _occupy(self, worker: Hashable) -> None:
        self._free.pop(worker, None)
        for model in self._holds.get(worker, ()):
            holders = self._free_with.get(model)
            if holders is not None:
                holders.pop(worker, None)
                if not holders:
                    del self._free_with[model]

    def _remember(self, worker: Hashable, item: Item, made: Iterable[Hashable]) -> None:
        held = self._holds[worker]
        held[item.model] = None
        held.move_to_end(item.model)
        if len(held) > _MODELS:
            held.popitem(last=False)
        for thing in (item.number, *item.near, *made):
            self._where[thing] = worker
            self._where.move_to_end(thing)
        while len(self._where) > _THINGS:
            self._where.popitem(last=False)
