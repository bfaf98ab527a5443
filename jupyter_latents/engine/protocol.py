"""What a session asks of an engine, wherever that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine.answers import Course, Item, ModelCard, PartRow, WorkerRow
    from jupyter_latents.engine.given.inputs import Given, Inputs
    from jupyter_latents.engine.given.outline import Standing
    from jupyter_latents.engine.observer import Observer, Reading
    from jupyter_latents.engine.result import StageResult
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.spaces import Space
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.stage import ModelSource, Stage

__all__ = ["Engine", "WideEngine", "wide"]


class Engine(Protocol):
    """Runs stages: in this process, in another one, on another machine.

    What goes in and what comes out is plain data that pickles. Observers and questions whether to stop stay with the
    session: an engine elsewhere tells and asks them by messages, and gives the observer a `Look` of its own, which asks
    for a preview where one is wanted. All methods but `run` and `run_together` may be called while a run goes on.
    """

    def scope(self, tell: Callable[[str, bool], None]) -> AbstractContextManager[object]:
        """Surrounds one plan or one run: within it each model is described once.

        Args:
            tell: Is given what libraries say meanwhile, a message at a time, and whether it matters to the person.
                Warnings of this package are left alone.
        """

    def describe(self, model: ModelSource) -> ModelCard:
        """What a model is; no weights are read or fetched.

        Args:
            model: What the stage names; where it is offline, the network is not asked. Else its configuration is
                fetched where that is not there.

        Raises:
            ModelError: It is nowhere, not whole, or cannot be run.
        """

    def fetch(self, model: ModelSource) -> None:
        """Fetches what the card of a model says is lacking.

        Args:
            model: What the stage names.

        Raises:
            ModelError: It cannot be fetched.
        """

    def prepare(self, stage: Stage, given: Given) -> Course:
        """Decides what a stage will do; no weights are read, and `run` does it.

        Args:
            stage: What is asked for.
            given: What is known of its inputs.

        Raises:
            JupyterLatentsError: It can never run, with the reason.
        """

    def numerics(
        self, model: ModelSource, spaces: Sequence[Space] = (), decoded: Sequence[Standing] = ()
    ) -> str | None:
        """What decides the bits of a result besides stage, inputs and files: libraries, device, dtype, switches.

        Args:
            model: What the stage names.
            spaces: The spaces of the latents that go in.
            decoded: The latents that become pictures, whose VAEs are told too where they are not the model's.

        Returns:
            Text that tells them from others; None where nothing can, since code of somebody's own has a part in it.

        Raises:
            ModelError: The model is nowhere, or names a device or dtype that is not there.
        """

    def run(
        self,
        stage: Stage,
        inputs: Inputs,
        observer: Observer,
        stopped: Callable[[], bool],
        stop_asked: Callable[[], bool],
    ) -> StageResult:
        """Runs a stage.

        Args:
            stage: What to do.
            inputs: Its resolved image seed.
            observer: Is told phases and steps.
            stopped: Asked after each step; True ends the stage at a whole step.
            stop_asked: Asked while models load and before the first step; True ends the stage there.

        Raises:
            StoppedError: It was stopped before its first step.
            JupyterLatentsError: It cannot run, with the reason; `RunError` holds the steps done.
        """

    def run_together(
        self,
        stages: Sequence[Stage],
        observer: Observer,
        stopped: Callable[[], bool],
        stop_asked: Callable[[], bool],
    ) -> Iterator[StageResult]:
        """Runs stages that differ in their seeds alone as one batch.

        Args:
            stages: The stages; the course of each says that it shares.
            observer: See `run`.
            stopped: See `run`.
            stop_asked: See `run`.

        Yields:
            Their results in order, as soon as there are any; fewer where it was stopped.

        Raises:
            JupyterLatentsError: See `run`.
        """

    def read_ahead(self, model: ModelSource, tell: Callable[[Reading], None]) -> bool:
        """Reads what is not held of a model that will be wanted, where it fits with nothing leaving.

        Args:
            model: What the stage names.
            tell: Is told what is read; what it raises ends the reading.

        Returns:
            Whether all of the model is held now.

        Raises:
            ModelError: It cannot be found or loaded.
        """

    def decode(self, latents: Latents, receiver: ModelSource | None = None) -> list[Image | Clip]:
        """Pictures or clips of latents by their own VAE, from the clean estimate where they are still noisy.

        Args:
            latents: The latents.
            receiver: The model of the stage in whose picture's place they stand; its VAE decodes them where it can.

        Raises:
            ModelError: The VAE that they belong to is not at hand.
            HandoffError: No VAE is known that decodes them for the receiver.
        """

    def preview(self, latents: Latents) -> list[Image | Clip]:
        """Small pictures of latents, or of their clean estimate, without running the VAE.

        Raises:
            ModelError: The model that made them is not at hand.
        """

    def holdings(self) -> list[PartRow]:
        """The parts of models that are loaded, most recently used first."""

    def unload(self, name: str | None = None) -> int:
        """Lets go of a model's parts, or of all; says how many bytes.

        Args:
            name: The model as a stage named it; None for all.

        Raises:
            ModelError: No such model is held.
        """


class WideEngine(Engine, Protocol):
    """Runs several stages at the same time."""

    @property
    def lanes(self) -> int:
        """How many at most."""

    def workers(self) -> list[WorkerRow]:
        """What each of its workers does now."""

    def number(self) -> int:
        """A number for an item yet to be begun, greater than all before it."""

    def begin(self, item: Item, name: str, work: Callable[[], Sequence[str]]) -> None:
        """Queues work that runs stages.

        Args:
            item: Its number, what it runs on and is given, and after which items it comes.
            name: What it is called in tables.
            work: Does it, on a thread of its own with the context variables of who queued it, once a worker is free:
                what it asks `run` for runs there. Gives the digests of the latents that it made, and raises nothing.

        Raises:
            RunError: The workers are gone.
        """


def wide(engine: Engine) -> WideEngine | None:
    """An engine as one that runs several stages at the same time; None where it does not."""
    lanes = getattr(engine, "lanes", 1)
    return cast("WideEngine", engine) if isinstance(lanes, int) and lanes > 1 else None
