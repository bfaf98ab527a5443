"""Gives items to workers as the schedule says, takes back those of lost workers, and knows what each does."""

from __future__ import annotations

import contextvars
import itertools
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from jupyter_latents.cluster.cards import WorkerCard
from jupyter_latents.cluster.crew import Member
from jupyter_latents.cluster.schedule import Assignment, WorkSchedule
from jupyter_latents.engine import Item, StageResult, WorkerRow
from jupyter_latents.errors import RunError, StoppedError
from jupyter_latents.threads import start_thread

__all__ = ["Pool", "Turn"]

_POLL = 0.1  # seconds between two questions whether to stop
_HEADLESS = (
    "the workers are gone and none will come back: the head of the cluster has ended. What was done is kept. Run it "
    "again: workers of this machine are started anew; of a cluster start the head first."
)
_ALONE_SECONDS = 120.0  # without any worker for so long, nobody waits any more


@dataclass(slots=True)
class Turn:
    """An item's turn: its worker from when it has one.

    Attributes:
        item: The item.
        name: What it is called in tables.
        begin: Called once it has a worker, on a thread of its own; None where somebody waits for it.
        member: Its worker; None before it has one.
        context: Context variables of who queued it, for that thread.
    """

    item: Item
    name: str = ""
    begin: Callable[[Turn], None] | None = None
    member: Member | None = None
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


@dataclass(slots=True)
class _Desk:
    """What is known of a worker."""

    member: Member
    state: str = "free"
    model: str = ""
    turn: Turn | None = None
    evaluations: int = 0


class Pool:
    """Workers and what waits for them.

    Args:
        members: The workers.
        recover: Waits until a lost worker is back, and gives it as it is then; None where it will not come back.
        full: Names the folder in which workers find no room to start, or is empty.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        members: Sequence[Member],
        recover: Callable[[Member], Member | None],
        full: Callable[[], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._schedule = WorkSchedule()
        self._desks: dict[Hashable, _Desk] = {member.name: _Desk(member) for member in members}
        self._turns: dict[int, Turn] = {}
        self._numbers = itertools.count()
        self._change = threading.Condition()
        self._recover, self._full, self._clock = recover, full, clock
        self._alone_since: float | None = None
        self._fault = ""
        self._recovering = 0
        for member in members:
            self._schedule.join(member.name)

    @property
    def size(self) -> int:
        """How many workers there are, lost ones that may come back counted."""
        return len(self._desks)

    @property
    def members(self) -> tuple[Member, ...]:
        """The workers that are there now."""
        with self._change:
            return tuple(desk.member for desk in self._desks.values() if desk.state != "lost")

    def rows(self) -> list[WorkerRow]:
        """What each worker does."""
        with self._change:
            return [
                WorkerRow(
                    desk.member.card.host,
                    desk.member.card.process,
                    desk.member.card.device,
                    desk.state,
                    desk.model,
                    desk.turn.name if desk.turn is not None else "",
                    desk.evaluations,
                )
                for desk in self._desks.values()
            ]

    def number(self) -> int:
        """The number of an item yet to be queued."""
        return next(self._numbers)

    def queue(self, turn: Turn) -> None:
        """Queues an item.

        Raises:
            RunError: The workers are gone.
        """
        with self._change:
            if self._fault:
                raise RunError(self._fault)
            self._turns[turn.item.number] = turn
            self._give(self._schedule.add(turn.item))

    def wait(self, turn: Turn, stop_asked: Callable[[], bool] = lambda: False) -> Member:
        """The worker of an item, as soon as it has one.

        Raises:
            StoppedError: It is to end before.
            RunError: There has been no worker for long, or they are gone.
        """
        while True:
            with self._change:
                if turn.member is None and not self._fault:
                    self._change.wait(_POLL)
                member, fault = turn.member, self._fault or self._loneliness()
            if member is not None:
                return member
            if fault:
                self.fail(fault)
                raise RunError(fault)
            if stop_asked():
                raise StoppedError("waiting for a worker")

    def _loneliness(self) -> str:
        if self._alone_since is None or self._clock() - self._alone_since < _ALONE_SECONDS:
            return ""
        place = self._full()
        why = f": the disk of {place}, where Ray keeps its files, is full" if place else ""
        return (
            f"no worker has answered for {_ALONE_SECONDS:.0f} seconds{why}. What was done is kept; run again when the "
            "cluster is there, or with the executor local."
        )

    def done(self, turn: Turn, made: Iterable[Hashable] = ()) -> None:
        """An item is done, or given up."""
        with self._change:
            number, member = turn.item.number, turn.member
            if self._turns.pop(number, None) is None:
                return
            self._change.notify_all()
            if member is None:
                self._give(self._schedule.drop(number))
                return
            desk = self._desks.get(member.name)
            if desk is not None and desk.turn is turn:
                desk.turn, desk.state = None, "free" if desk.state == "busy" else desk.state
            self._give(self._schedule.finish(number, member.name, made))

    def lost(self, turn: Turn) -> None:
        """The worker of an item is gone: the item waits for another, before all others."""
        member = turn.member
        if member is None:
            return
        with self._change:
            desk = self._desks[member.name]
            desk.state, desk.turn, turn.member = "lost", None, None
            self._schedule.leave(member.name)
            if not self._schedule.workers and self._alone_since is None:
                self._alone_since = self._clock()
            self._give(self._schedule.lose(turn.item.number))
            self._recovering += 1
        start_thread(lambda: self._await_return(member), "jupyter-latents-recovery")

    def renew(self, turn: Turn, card: WorkerCard) -> None:
        """A worker says who it is: another process than before, where it was lost while nobody asked it."""
        member = turn.member
        if member is not None and member.card != card:
            with self._change:
                turn.member = self._desks[member.name].member = replace(member, card=card)

    def count(self, turn: Turn, model: str) -> None:
        """A worker has done a step."""
        member = turn.member
        if member is not None:
            desk = self._desks[member.name]
            desk.model, desk.evaluations = model, desk.evaluations + 1

    def fail(self, why: str) -> None:
        """All workers are gone for good; who waits is told, and what has not begun begins, to be told too."""
        with self._change:
            self._fault = self._fault or why
            for turn in self._turns.values():
                begin, turn.begin = turn.begin, None
                if begin is not None:
                    _start(begin, turn)
            self._change.notify_all()

    def lose_all(self) -> None:
        """The head has ended."""
        self.fail(_HEADLESS)

    def check(self, partial: StageResult | None = None) -> None:
        """Goes on, unless the workers are gone.

        Args:
            partial: What was made before, or None.

        Raises:
            RunError: They are.
        """
        if self._fault:
            raise RunError(self._fault, partial=partial)

    def close(self, seconds: float) -> bool:
        """Nothing begins any more; waits for what is at work.

        Args:
            seconds: At most.

        Returns:
            Whether nobody asks a worker for anything any more.
        """
        self.fail("the workers were told to end.")
        with self._change:
            return self._change.wait_for(lambda: not self._turns and not self._recovering, seconds)

    @property
    def closed(self) -> bool:
        """Whether nothing begins any more."""
        return bool(self._fault)

    def _await_return(self, member: Member) -> None:
        back = None
        try:
            back = self._recover(member)
        finally:
            self._welcome(member, back)

    def _welcome(self, member: Member, back: Member | None) -> None:
        """A lost worker is back, or will not come back."""
        with self._change:
            self._recovering -= 1
            self._change.notify_all()
            if back is None or self._fault:
                self._desks.pop(member.name, None)
                if not self._desks:
                    self.fail(_HEADLESS)
                return
            self._desks[member.name].member, self._desks[member.name].state = back, "free"
            self._alone_since = None
            self._give(self._schedule.join(member.name))

    def _give(self, assignments: Iterable[Assignment]) -> None:
        """Tells items that they have a worker; under the lock."""
        for assignment in assignments:
            turn, desk = self._turns[assignment.number], self._desks[assignment.worker]
            turn.member, desk.turn, desk.state, desk.model = desk.member, turn, "busy", str(turn.item.model)
            begin, turn.begin = turn.begin, None
            if begin is not None:
                _start(begin, turn)
        self._change.notify_all()


def _start(begin: Callable[[Turn], None], turn: Turn) -> None:
    start_thread(lambda: turn.context.run(begin, turn), "jupyter-latents-item")
