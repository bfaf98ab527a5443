"""What a run tells while it goes on: plain events to an observer, from the run's own thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from jupyter_latents.engine.schedule.window import Span
    from jupyter_latents.latents.value import Latents

__all__ = ["Observer", "Silent", "StepEvent"]


@dataclass(frozen=True, slots=True)
class StepEvent:
    """One step is done.

    Attributes:
        step: Whole steps done, of the full schedule.
        span: The steps that this stage runs.
        sigma: Noise level now, in the terms of the stage's form.
        preview: Makes small pictures of the clean estimate, one an item of the batch; costs only when called.
        values: Makes an array of the latents (batch, channels, height/factor, width/factor); None where not offered.
    """

    step: int
    span: Span
    sigma: float
    preview: Callable[[], list[Image]]
    values: Callable[[], np.ndarray[Any, Any]] | None = None


class Observer(Protocol):
    """Is told what a run does. Methods return quickly; they are called from the run's thread."""

    def plan(self, stages: Sequence[Stage]) -> None:
        """All stages that the run is going to have, as far as that can be told."""

    def stage(self, index: int, stage: Stage, name: str) -> None:
        """Stage `index` of the run begins; `name` is what its result is bound to, or empty."""

    def phase(self, name: str, detail: str = "") -> None:
        """``loading``, ``encoding``, ``denoising``, ``decoding`` or ``saving`` begins."""

    def step(self, event: StepEvent) -> None:
        """A step is done."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """Something worth a line: a hand-over's verdict, a library's warning."""

    def result(self, latents: Latents, images: list[Image]) -> None:
        """The stage's result."""


class Silent:
    """An observer that looks away."""

    def plan(self, stages: Sequence[Stage]) -> None:
        """See `Observer.plan`."""

    def stage(self, index: int, stage: Stage, name: str) -> None:
        """See `Observer.stage`."""

    def phase(self, name: str, detail: str = "") -> None:
        """See `Observer.phase`."""

    def step(self, event: StepEvent) -> None:
        """See `Observer.step`."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """See `Observer.note`."""

    def result(self, latents: Latents, images: list[Image]) -> None:
        """See `Observer.result`."""
