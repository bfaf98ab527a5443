"""A worker: an engine in a process of its own, asked from afar. What it is given and what it says pickles."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_latents.cluster.cards import WorkerCard
from jupyter_latents.cluster.parcels import LackingError, Parcel, TensorShelf
from jupyter_latents.engine import Inputs, PartRow, Phase, Silent, local_engine, process_numerics
from jupyter_latents.errors import JupyterLatentsError, RunError, cause
from jupyter_latents.stage import ModelSource, Stage
from jupyter_latents.stopping import StopFlag, heeding
from jupyter_latents.threads import start_thread

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import Look, Standing, StepEvent
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.spaces import Space
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.settings import Settings

__all__ = ["Message", "Order", "RayWorker"]


@dataclass(frozen=True, slots=True)
class Message:
    """What a worker says while it runs an order.

    Attributes:
        kind: ``begun`` (with the worker's card), ``lacking`` (tensors, by digest), ``phase``, ``step``, ``note``,
            ``said`` (by a library), ``result``, ``error`` or ``end``.
        values: What belongs to it.
    """

    kind: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is to run.

    Attributes:
        number: By which `RayWorker.steer` calls it.
        stages: One, or several that run as one batch.
        inputs: Of the one, as the outline of a parcel.
        digests: Of the parcel's tensors.
        folder: Where relative paths begin, if the worker has it.
        content: Tensors that the worker lacked; see `Parcel.content`.
    """

    number: int
    stages: tuple[Stage, ...]
    inputs: bytes
    digests: tuple[str, ...]
    folder: str
    content: bytes = b""


class RayWorker:
    """Runs one order at a time; all else may be asked meanwhile.

    Args:
        threads: torch's threads; equal bits need equal threads.
        settings: Say how much memory models may take.
    """

    def __init__(self, threads: int, settings: Settings) -> None:
        import torch

        torch.set_num_threads(threads)
        self._engine = local_engine(settings)
        self._flags: dict[int, StopFlag] = {}
        self._shelf = TensorShelf()
        self._evaluations = 0
        self._at_work = threading.Lock()

    def evaluations(self) -> int:
        """Model evaluations that this process has done, heard of or not."""
        return self._evaluations

    def card(self) -> WorkerCard:
        """Who it is."""
        import torch

        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        threads = torch.get_num_threads()
        return WorkerCard(socket.gethostname(), os.getpid(), device, threads, process_numerics())

    def identity(self, model: ModelSource, folder: str) -> str:
        """What tells the model's files here from others.

        Raises:
            ModelError: It is not here, or not whole.
        """
        _go_to(folder)
        return self._engine.describe(model).identity

    def fetch(self, model: ModelSource) -> None:
        """See `Engine.fetch`."""
        self._engine.fetch(model)

    def numerics(self, model: ModelSource, spaces: Sequence[Space], decoded: Sequence[Standing]) -> str | None:
        """See `Engine.numerics`."""
        return self._engine.numerics(model, spaces, decoded)

    def decode(self, latents: Latents, receiver: ModelSource | None, folder: str) -> list[Image | Clip]:
        """See `Engine.decode`."""
        _go_to(folder)
        return self._engine.decode(latents, receiver)

    def preview(self, latents: Latents, tiny: str) -> list[Image | Clip]:
        """See `Engine.preview`; `tiny` is the tiny autoencoder that the session makes them by."""
        return self._engine.preview(latents, tiny)

    def holdings(self) -> list[PartRow]:
        """See `Engine.holdings`."""
        return self._engine.holdings()

    def unload(self, name: str | None) -> int:
        """See `Engine.unload`."""
        return self._engine.unload(name)

    def steer(self, number: int, word: str) -> None:
        """Stops, holds or resumes an order.

        Args:
            number: The order's; one that has ended is left alone.
            word: ``stop``, ``pause`` or ``resume``.
        """
        flag = self._flags.setdefault(number, StopFlag())  # perhaps it comes before the order does
        getattr(flag, word)()

    def run(self, order: Order) -> Iterator[Message]:
        """Runs an order.

        Yields:
            What happens, the results or the error among it, and ``end`` at last.
        """
        flag = self._flags.setdefault(order.number, StopFlag())
        said: queue.SimpleQueue[Message] = queue.SimpleQueue()
        yield Message("begun", (self.card(),))
        try:
            inputs = self._shelf.unpack(order.inputs, order.digests, order.content)
        except LackingError as lacking:  # the flag stays: the order comes again
            yield Message("lacking", (lacking.digests,))
            yield Message("end")
            return

        def work() -> None:
            with heeding(flag), self._at_work:  # another may end still, that was given up since nobody heard of it
                _go_to(order.folder)
                self._work(order, inputs, flag, said.put)

        start_thread(work, "jupyter-latents-order", flag.stop)
        while True:
            message = said.get()
            if message.kind == "end":
                self._flags.pop(order.number, None)
            yield message
            if message.kind == "end":
                return

    def _work(self, order: Order, inputs: Inputs, flag: StopFlag, say: Callable[[Message], None]) -> None:
        """Runs an order and says all of it, whatever ends it."""
        observer, engine = _Teller(say, self._count), self._engine
        try:
            with engine.scope(lambda text, matters: say(Message("said", (text, matters)))):
                if len(order.stages) == 1:
                    results = iter([engine.run(order.stages[0], inputs, observer, flag.hold, flag.hold)])
                else:
                    results = engine.run_together(order.stages, observer, flag.hold, flag.hold)
                for result in results:
                    self._shelf.put(Parcel.of(result.latents).tensors)
                    say(Message("result", (result,)))
        except JupyterLatentsError as error:
            say(Message("error", (_plain(error),)))
        except BaseException as error:  # noqa: BLE001 - the thread's edge: whatever it is, the session is told
            say(Message("error", (RunError(f"a worker failed unexpectedly: {cause(error)}"),)))
        finally:
            say(Message("end"))

    def _count(self) -> None:
        self._evaluations += 1


def _plain(error: JupyterLatentsError) -> JupyterLatentsError:
    """An error without what does not pickle: its cause stays as text, which the message has."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _go_to(folder: str) -> None:
    """Relative paths mean what they mean to the session, where this machine has its folder."""
    if os.getcwd() != folder and os.path.isdir(folder):  # noqa: PTH109, PTH112 - as the session says it
        os.chdir(folder)


class _Teller(Silent):
    """An observer that says everything."""

    def __init__(self, say: Callable[[Message], None], count: Callable[[], None]) -> None:
        self._say, self._count = say, count

    def phase(self, phase: Phase) -> None:
        """See `Observer.phase`."""
        self._say(Message("phase", (phase,)))

    def step(self, event: StepEvent, look: Look) -> None:
        """See `Observer.step`."""
        self._count()
        self._say(Message("step", (event, look.newest())))

    def note(self, text: str, *, warning: bool = False) -> None:
        """See `Observer.note`."""
        self._say(Message("note", (text, warning)))
