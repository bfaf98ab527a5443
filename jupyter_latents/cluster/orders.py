"""Runs an order on a worker, and again on another where that one is lost, from the last step that was heard of."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jupyter_latents import stopping
from jupyter_latents.cluster.crew import here, is_loss, ray_fault
from jupyter_latents.cluster.following import Following
from jupyter_latents.cluster.parcels import Parcel
from jupyter_latents.cluster.worker import Order
from jupyter_latents.engine import Inputs, StageResult, run_rest
from jupyter_latents.errors import RunError, StoppedError
from jupyter_latents.optimizations import keeps_law
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from jupyter_latents.cluster.cards import WorkerCard
    from jupyter_latents.cluster.crew import Member
    from jupyter_latents.cluster.pool import Pool, Turn
    from jupyter_latents.cluster.worker import Message

__all__ = ["Orders"]

_ATTEMPTS = 6
"""How many workers an item may lose without a step in between: one that kills each of its workers would kill all."""


class _LostError(Exception):
    """The worker of an order is gone."""


@dataclass(frozen=True, slots=True)
class Orders:
    """Runs a stage, or several as one batch, in an item's turn.

    Attributes:
        ray: The library.
        pool: The workers.
        following: Hears what the worker says.
        stop_asked: Asked while a worker is waited for.
    """

    ray: Any
    pool: Pool
    following: Following
    stop_asked: Callable[[], bool]

    def stage(self, turn: Turn, stage: Stage, inputs: Inputs) -> StageResult:
        """The result of a stage.

        Args:
            turn: The item's.
            stage: What to do.
            inputs: Its resolved inputs.

        Raises:
            StoppedError: It was stopped before its first step.
            JupyterLatentsError: It cannot run; or too many workers were lost over it.
        """

        def go(stage: Stage, inputs: Inputs) -> StageResult:
            return self._on_worker(turn, (stage,), inputs)[0]

        reached, lost_here = 0, 0
        for _ in itertools.count():
            known = self.following.known() if keeps_law(stage.model.optimize) else None
            try:
                return self._whole(go(stage, inputs) if known is None else run_rest(known, stage, inputs, go))
            except StoppedError:
                if known is None:
                    raise
                return known
            except _LostError as lost:
                further = self.following.reached > reached
                reached, lost_here = self.following.reached, 1 if further else lost_here + 1
                self._replace(turn, lost_here, lost)
        raise RunError("no worker did it.")  # the loop has no other end

    def _whole(self, result: StageResult) -> StageResult:
        """A result, unless it was stopped since the workers end."""
        if result.stopped:
            self.pool.check(result)
        return result

    def batch(self, turn: Turn, stages: tuple[Stage, ...]) -> list[StageResult]:
        """The results of stages that run as one batch; one that a worker was lost over begins anew."""
        for attempt in itertools.count(1):
            try:
                return self._on_worker(turn, stages, Inputs())
            except _LostError as lost:
                self._replace(turn, attempt, lost)
        raise RunError("no worker did it.")  # the loop has no other end

    def _replace(self, turn: Turn, attempt: int, lost: BaseException) -> None:
        """Gives a turn whose worker is gone to another worker.

        Raises:
            RunError: That was tried often enough.
        """
        member, known = turn.member, self.following.known()
        where = f"the worker {member.card}" if member is not None else "its worker"
        self.pool.lost(turn)
        reached = known.latents.position.step if known is not None and known.latents.position is not None else 0
        if attempt == _ATTEMPTS:
            raise RunError(
                f"{turn.name} lost {attempt} workers one after the other, the last was {where}: perhaps it needs more "
                "memory than they have. What it had made is kept.",
                partial=known,
            ) from lost.__cause__
        onward = f"goes on from step {reached}" if reached else "begins again"
        self.following.observer.note(f"{where} is gone; {turn.name} {onward} on another", warning=True)

    def _on_worker(self, turn: Turn, stages: tuple[Stage, ...], inputs: Inputs) -> list[StageResult]:
        member, parcel = self.pool.wait(turn, self.stop_asked), Parcel.of(inputs)
        digests = tuple(parcel.tensors)
        order = Order(self.pool.number(), tuple(map(_sent, stages)), parcel.outline, digests, here())
        flag = stopping.present()

        def steer(word: str) -> None:
            member.actor.steer.remote(order.number, word)

        with flag.heard_by(steer) if flag is not None else nullcontext():
            try:
                return self._results(turn, self._messages(member, order, parcel), order.stages[0].model.name, steer)
            except _LostError:
                if not self.pool.closed:
                    steer("stop")  # perhaps it was out of reach only, and is still at it
                raise

    def _results(
        self, turn: Turn, messages: Iterable[Message], model: str, steer: Callable[[str], None]
    ) -> list[StageResult]:
        results: list[StageResult] = []
        error: BaseException | None = None
        for message in messages:
            if message.kind == "result":
                results.append(message.values[0])
            elif message.kind == "error":
                error = message.values[0]
            elif message.kind == "begun":
                error = self._other_kind(turn, message.values[0]) or error
            else:
                if message.kind == "step":
                    self.pool.count(turn, model)
                if self.following.hear(message) or error is not None:
                    steer("stop")
        if error is not None:
            raise error
        return results

    def _other_kind(self, turn: Turn, card: WorkerCard) -> RunError | None:
        """Notes which process runs a turn; an error where it makes other bits than the one in whose place it is."""
        known = turn.member.card if turn.member is not None else card
        self.pool.renew(turn, card)
        if card.numerics == known.numerics:
            return None
        return RunError(
            f"the worker {known} came back as {card}, whose results differ in their last bits: run it again."
        )

    def _messages(self, member: Member, order: Order, parcel: Parcel) -> Iterator[Message]:
        """What a worker says of an order, to its end; it is sent the tensors that it lacks, and nothing else of them.

        Raises:
            _LostError: The worker is gone.
        """
        lacking: dict[str, None] = {}
        while True:
            before = len(lacking)
            for message in self._stream(member, order):
                if message.kind == "lacking":
                    lacking |= dict.fromkeys(message.values[0])
                else:
                    yield message
            if len(lacking) == before:
                return
            order = replace(order, content=parcel.content(lacking))

    def _stream(self, member: Member, order: Order) -> Iterator[Message]:
        try:
            said = member.actor.run.options(num_returns="streaming").remote(order)
            for reference in said:
                message = self.ray.get(reference)
                if message.kind == "end":
                    return
                yield message
        except Exception as error:
            if is_loss(error):
                raise _LostError from error
            if (fault := ray_fault(error, member.card, self.following.known())) is not None:
                raise fault from error
            raise
        raise _LostError


def _sent(stage: Stage) -> Stage:
    """A stage as it goes to a worker: without the token, which each worker has in its own environment or not at all."""
    return replace(stage, model=replace(stage.model, auth_token=None))
