"""The engine of several workers: it describes and plans in this process, and runs and decodes in theirs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jupyter_latents.cluster.crew import Member, crew_of, here, is_loss, ray_fault
from jupyter_latents.cluster.following import Following
from jupyter_latents.cluster.models import check_models
from jupyter_latents.cluster.orders import Orders
from jupyter_latents.cluster.pool import Pool, Turn
from jupyter_latents.engine import Inputs, Item, Observer, StageResult, local_engine, process_numerics
from jupyter_latents.errors import JupyterLatentsError, ModelError, RunError
from jupyter_latents.settings import SETTINGS
from jupyter_latents.stage import ModelSource, Stage

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.cluster.starting import Connection
    from jupyter_latents.engine import Course, Given, ModelCard, PartRow, Reading, Standing, WorkerRow
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.spaces import Space
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.settings import Settings

__all__ = ["RayEngine"]

_CLOSING_SECONDS = 10.0
_LOOK_SECONDS = 0.2  # between two looks whether a lost worker is still waited for

Tell = Callable[[str, bool], None]


def _nobody(_text: str, _matters: bool) -> None:
    """What libraries say outside a run is told to nobody."""


_telling: ContextVar[Tell] = ContextVar("jupyter_latents_cluster_tell", default=_nobody)
_turn: ContextVar[Turn | None] = ContextVar("jupyter_latents_cluster_turn", default=None)


class RayEngine:
    """Runs stages on workers; see `Engine` and `WideEngine`.

    Args:
        connection: Ray.
        settings: Say how much memory the models of each worker may take.
    """

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection, self._ray = connection, connection.ray
        self._front = local_engine(settings)
        self._pool = Pool(crew_of(connection, settings), self._recovered, connection.full)
        connection.use(self.close, self._pool.lose_all)
        self._same = {member.card.numerics for member in self._pool.members} == {process_numerics()}

    def close(self) -> None:
        """Ends what is at work at its next step, and waits for that."""
        self._pool.close(_CLOSING_SECONDS)

    def end(self) -> None:
        """Ends Ray, or leaves the cluster; another engine starts it anew."""
        self.close()
        self._connection.end()

    @property
    def closed(self) -> bool:
        """Whether its workers have ended."""
        return self._pool.closed

    @property
    def lanes(self) -> int:
        """How many stages run at the same time."""
        return self._pool.size

    def workers(self) -> list[WorkerRow]:
        """What each worker does now."""
        return self._pool.rows()

    def heed(self, _settings: Settings) -> None:
        """Workers keep to the budgets that they were started with."""

    @contextlib.contextmanager
    def scope(self, tell: Tell) -> Iterator[None]:
        """See `Engine.scope`."""
        token = _telling.set(tell)
        try:
            with self._front.scope(tell):
                yield
        finally:
            _telling.reset(token)

    def describe(self, model: ModelSource) -> ModelCard:
        """See `Engine.describe`; a model that is not on all workers is told by worker."""
        card = self._front.describe(self._here(model))
        if not card.lacking:
            check_models(self._ray, self._pool.members, model, card.identity)
        return card

    def fetch(self, model: ModelSource) -> None:
        """See `Engine.fetch`; each worker fetches with the token of its own environment."""
        self._front.fetch(self._here(model))
        for member in self._pool.members:
            try:
                self._ask(member, "fetch", replace(model, auth_token=None))
            except ModelError as error:
                raise ModelError(f"{member.card}: {error.message}") from error

    def prepare(self, stage: Stage, given: Given) -> Course:
        """See `Engine.prepare`."""
        course = self._front.prepare(replace(stage, model=self._here(stage.model)), given)
        return replace(course, stage=stage)

    def _here(self, model: ModelSource) -> ModelSource:
        """A model as this process is asked for it, which may not have the device that workers have."""
        return model if self._same else replace(model, device=None)

    def numerics(
        self, model: ModelSource, spaces: Sequence[Space] = (), decoded: Sequence[Standing] = ()
    ) -> str | None:
        """See `Engine.numerics`: what decides the bits in the workers."""
        if self._same:
            return self._front.numerics(model, spaces, decoded)
        found: str | None = self._of_one("numerics", replace(model, auth_token=None), list(spaces), list(decoded))
        return found

    def run(
        self,
        stage: Stage,
        inputs: Inputs,
        observer: Observer,
        stopped: Callable[[], bool],
        stop_asked: Callable[[], bool],
    ) -> StageResult:
        """See `Engine.run`."""
        following = Following(inputs, observer, _telling.get(), self._ends(stopped), self._previewed)
        orders = Orders(self._ray, self._pool, following, self._ends(stop_asked))
        with self._in_turn(stage, inputs) as (turn, made):
            result = orders.stage(turn, stage, inputs)
            made.append(result.latents.digest)
            return result

    def run_together(
        self,
        stages: Sequence[Stage],
        observer: Observer,
        stopped: Callable[[], bool],
        stop_asked: Callable[[], bool],
    ) -> Iterator[StageResult]:
        """See `Engine.run_together`; the batch runs on one worker."""
        following = Following(Inputs(), observer, _telling.get(), self._ends(stopped), self._previewed)
        orders = Orders(self._ray, self._pool, following, self._ends(stop_asked))
        with self._in_turn(stages[0], Inputs()) as (turn, _):
            yield from orders.batch(turn, tuple(stages))

    def _ends(self, asked: Callable[[], bool]) -> Callable[[], bool]:
        """Whether a stage is to end: as it is asked, or since the workers end."""
        return lambda: asked() or self._pool.closed

    @contextlib.contextmanager
    def _in_turn(self, stage: Stage, inputs: Inputs) -> Iterator[tuple[Turn, list[str]]]:
        """The turn that the present thread has, or one of its own; and a list for the digests of what is made in it."""
        own, made = _turn.get(), list[str]()
        if own is not None:
            yield own, made
            return
        near = tuple(latents.digest for latents in inputs.latents)
        turn = Turn(Item(self._pool.number(), stage.model.name, near), stage.into or stage.model.name)
        self._pool.queue(turn)
        try:
            yield turn, made
        finally:
            self._pool.done(turn, made)

    def begin(self, item: Item, name: str, work: Callable[[], Sequence[str]]) -> None:
        """Queues work that runs stages; see `WideEngine.begin`.

        Args:
            item: Its place among other work; see `number`.
            name: What it is called in tables.
            work: Does it on a thread of its own, once a worker is free; gives the digests of what it made.
        """

        def in_turn(turn: Turn) -> None:
            _turn.set(turn)
            made: Sequence[str] = ()
            try:
                made = work()
            finally:
                self._pool.done(turn, made)

        self._pool.queue(Turn(item, name, in_turn))

    def number(self) -> int:
        """A number for an item yet to be queued."""
        return self._pool.number()

    def read_ahead(self, _model: ModelSource, _tell: Callable[[Reading], None]) -> bool:
        """See `Engine.read_ahead`; workers read what they run."""
        return False

    def decode(self, latents: Latents, receiver: ModelSource | None = None) -> list[Image | Clip]:
        """See `Engine.decode`."""
        alone = latents.replace(trajectory=())
        pictures: list[Image | Clip] = self._of_one("decode", alone, receiver, here())
        return pictures

    def preview(self, latents: Latents) -> list[Image | Clip]:
        """See `Engine.preview`."""
        return self._previewed(latents)

    def _previewed(self, latents: Latents, tiny: str | None = None) -> list[Image | Clip]:
        pictures: list[Image | Clip] = self._of_one("preview", latents, tiny or SETTINGS.preview_vae)
        return pictures

    def holdings(self) -> list[PartRow]:
        """See `Engine.holdings`; each part says on which machine it is."""
        found: list[PartRow] = []
        for member, rows in zip(self._pool.members, self._of_all("holdings"), strict=False):
            host, process = member.card.host, member.card.process
            found += [replace(row, where=f"{host} {process}: {row.where}" if row.where else row.where) for row in rows]
        return sorted(found, key=lambda row: row.used, reverse=True)

    def unload(self, name: str | None = None) -> int:
        """See `Engine.unload`."""
        freed, faults = 0, list[ModelError]()
        members = self._pool.members
        for member in members:
            try:
                freed += self._ask(member, "unload", name)
            except ModelError as error:
                faults.append(error)
        if members and len(faults) == len(members):
            raise faults[0]
        return freed

    def _of_all(self, method: str, *given: Any) -> list[Any]:
        return [self._ask(member, method, *given) for member in self._pool.members]

    def _of_one(self, method: str, *given: Any) -> Any:
        """The answer of a worker, of another where one is lost meanwhile.

        Raises:
            RunError: None answers.
        """
        lost: BaseException | None = None
        for member in self._pool.members:
            try:
                return self._ask(member, method, *given)
            except Exception as error:  # whatever is no loss goes on its way
                if not is_loss(error):
                    raise
                lost = error
        raise RunError(f"no worker could be asked to {method}; they are starting again, try it once more.") from lost

    def _ask(self, member: Member, method: str, *given: Any) -> Any:
        from ray import exceptions

        self._pool.check()
        try:
            return self._ray.get(getattr(member.actor, method).remote(*given))
        except exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, JupyterLatentsError):
                raise cause from None
            raise ray_fault(error, member.card) or error from error
        except exceptions.OutOfDiskError as error:
            raise ray_fault(error, member.card) or error from error

    def _recovered(self, member: Member) -> Member | None:
        """A lost worker once it answers again, as the same kind; None where it will not or nobody waits for it."""
        while True:
            try:
                asked = member.actor.card.remote()
                while not self._ray.wait([asked], timeout=_LOOK_SECONDS)[0]:
                    if self._pool.closed:
                        return None
                card = self._ray.get(asked)
                return replace(member, card=card) if card.numerics == member.card.numerics else None
            except Exception as error:  # noqa: BLE001 - as long as it starts it says that it is not there
                if self._pool.closed or type(error).__name__ == "ActorDiedError" or not is_loss(error):
                    return None
