"""What a run tells while it goes on: plain data to an observer, from the run's own thread.

What is told pickles, so that a run in another process can tell it too. Pictures and values of a step are no part of it:
an observer that wants them asks the run's `Look` for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from jupyter_latents.engine.answers import WorkerRow
    from jupyter_latents.engine.result import StageResult
    from jupyter_latents.engine.schedule.window import Span
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.facts import Noise
    from jupyter_latents.latents.value import Latents

__all__ = ["ItemEvent", "ItemState", "Look", "Observer", "Phase", "PhaseName", "Reading", "Silent", "StepEvent"]

ItemState: TypeAlias = Literal["waiting", "running", "done", "failed"]
PhaseName: TypeAlias = Literal[
    "importing", "starting", "loading", "bridging", "encoding", "denoising", "decoding", "saving"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of a model.

    Attributes:
        model: The model's name.
        parts: The parts that are read now; empty where that is not known yet.
        loras: File names of the LoRAs that change them.
        size: Bytes of these parts' files.
        read: Bytes of the files that were read before them.
        whole: Bytes of all files that are missing at first; 0 where that is not known.
    """

    model: str
    parts: tuple[str, ...] = ()
    loras: tuple[str, ...] = ()
    size: int = 0
    read: int = 0
    whole: int = 0


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a stage's time begins.

    Attributes:
        name: Which.
        reading: While loading, what is read.
        span: For denoising, the steps that run.
        noise: For denoising, the noise level at its start.
        switches: For denoising, the steps of the whole schedule at which what steers the stage changes.
        subject: For decoding latents in the place of a picture, what the script calls them; for imports, which library.
    """

    name: PhaseName
    reading: Reading | None = None
    span: Span | None = None
    noise: Noise | None = None
    subject: str = ""
    switches: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StepEvent:
    """One step is done.

    Attributes:
        step: Whole steps done, of the full schedule.
        index: Timestep index reached.
        span: The steps that this stage runs.
        noise: Noise level now.
    """

    step: int
    index: int
    span: Span
    noise: Noise


@dataclass(frozen=True, slots=True)
class ItemEvent:
    """How far one of several stages is that run at the same time; each is told as a stage, in order, once it is done.

    Attributes:
        index: Its place among the stages of the run.
        name: What it is called in tables.
        state: Whether it waits for a worker, runs, or has ended.
        phase: What it does now, while it runs.
        step: Whole steps done, of the full schedule.
        end: The step at which it ends; 0 where that is not known yet.
    """

    index: int
    name: str
    state: ItemState
    phase: PhaseName | None = None
    step: int = 0
    end: int = 0


class Look(Protocol):
    """Shows a stage's steps to the observer that is told of them.

    Nothing is made before it is asked for; it is made in the run's thread, or by the process that runs the steps.
    Pictures and values are those of the latest step, until the observer's `step` returns.
    """

    def latents(self, step: int) -> Latents:
        """What the stage would leave if it had been stopped after a step; from any thread, until its result is told.

        Args:
            step: Whole steps done, of the full schedule.

        Raises:
            LatentsError: That step is not done, or holds no numbers.
        """

    def newest(self) -> Latents:
        """The latents of the latest step, able to go on, without the steps before them; until `step` returns."""

    def preview(self, tiny: str | None = None) -> list[Image | Clip]:
        """Small pictures of the clean estimate, one an item of the batch.

        Args:
            tiny: A tiny autoencoder that makes them; None for what the settings say.

        Raises:
            JupyterLatentsError: There is no preview of this model.
        """

    def values(self) -> np.ndarray[Any, Any]:
        """The latents in float32, shape (batch, channels, height/factor, width/factor)."""


class Observer(Protocol):
    """Is told what a run does. Methods return quickly; they are called from the run's thread."""

    def plan(self, stages: Sequence[Stage]) -> None:
        """All stages that the run is going to have, as far as that can be told."""

    def stage(self, index: int, stage: Stage, name: str) -> None:
        """Stage `index` of the run begins; `name` is what its result is bound to, or empty."""

    def phase(self, phase: Phase) -> None:
        """A part of the stage's time begins."""

    def step(self, event: StepEvent, look: Look) -> None:
        """A step is done; `look` shows it."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """Something worth a line: a hand-over's verdict, a library's warning."""

    def result(self, result: StageResult) -> None:
        """The stage's result."""

    def item(self, event: ItemEvent, workers: Sequence[WorkerRow], look: Look | None = None) -> None:
        """One of several stages that run at the same time is further; called from a thread of its own.

        Args:
            event: How far it is.
            workers: What each worker does now.
            look: Shows the step that is done; None where none was.
        """


class Silent:
    """An observer that looks away."""

    def plan(self, stages: Sequence[Stage]) -> None:
        """See `Observer.plan`."""

    def stage(self, index: int, stage: Stage, name: str) -> None:
        """See `Observer.stage`."""

    def phase(self, phase: Phase) -> None:
        """See `Observer.phase`."""

    def step(self, event: StepEvent, look: Look) -> None:
        """See `Observer.step`."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """See `Observer.note`."""

    def result(self, result: StageResult) -> None:
        """See `Observer.result`."""

    def item(self, event: ItemEvent, workers: Sequence[WorkerRow], look: Look | None = None) -> None:
        """See `Observer.item`."""
