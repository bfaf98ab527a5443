"""Follows an order that a worker runs: tells the observer, steers the worker, and keeps each step that was heard of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine import Inputs, Observer, Span, StageResult, StepEvent
from jupyter_latents.errors import LatentsError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from jupyter_latents.cluster.worker import Message
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.facts import Noise
    from jupyter_latents.latents.value import Latents

__all__ = ["Following"]


@dataclass(slots=True)
class Following:
    """What was heard of an order, over all the workers that were at it.

    Attributes:
        inputs: What the stage was given.
        observer: Is told phases, steps and notes.
        tell: Is told what libraries say.
        stopped: Asked after each step.
        preview: Makes small pictures of latents.
        evaluations: Steps heard of.
    """

    inputs: Inputs
    observer: Observer
    tell: Callable[[str, bool], None]
    stopped: Callable[[], bool]
    preview: Callable[[Latents, str | None], list[Image | Clip]]
    evaluations: int = 0
    _steps: list[Latents] = field(default_factory=list)
    _event: StepEvent | None = None
    _span: Span | None = None
    _start: Noise | None = None

    def hear(self, message: Message) -> bool:
        """Tells a message on; whether the worker is to stop."""
        values = message.values
        if message.kind == "step":
            return self._step(*values)
        if message.kind == "phase":
            (phase,) = values
            if phase.span is not None and self._span is None:
                self._span, self._start = phase.span, phase.noise
            self.observer.phase(phase)
        elif message.kind == "note":
            self.observer.note(values[0], warning=values[1])
        elif message.kind == "said":
            self.tell(*values)
        return False

    def _step(self, event: StepEvent, latents: Latents) -> bool:
        self.evaluations += 1
        while self._steps and _number(self._steps[-1]) >= event.step:  # it is run again; see `known`
            self._steps.pop()
        if self._steps:  # on a second worker it goes on from its own step, which is no parent of it
            latents = replace(latents, provenance=self._steps[0].provenance)
        self._steps.append(latents)
        self._event = event
        self.observer.step(event, _RemoteLook(tuple(self._steps), self.inputs, self.preview))
        return self.stopped()

    @property
    def reached(self) -> int:
        """The last step that was heard of; 0 before the first."""
        return self._event.step if self._event is not None else 0

    def known(self) -> StageResult | None:
        """The stage as far as it was heard of, able to go on; None where there is nothing to go on from.

        The last of all steps is left out: it is run again, to end in it.
        """
        steps, span = [step for step in self._steps if step.resume is not None and not step.is_clean], self._span
        if span is not None and steps and _number(steps[-1]) >= span.end:
            steps.pop()
        last = steps[-1].position if steps else None
        if span is None or last is None:
            return None
        reached = replace(span, end=last.step)
        return StageResult(with_steps(steps, self.inputs), (), reached, reached.evaluations, True, start=self._start)


@dataclass(frozen=True, slots=True)
class _RemoteLook:
    """Shows the steps that were heard of."""

    steps: Sequence[Latents]
    inputs: Inputs
    make_preview: Callable[[Latents, str | None], list[Image | Clip]]

    def latents(self, step: int) -> Latents:
        """See `Look.latents`."""
        for number, latents in enumerate(self.steps, 1):
            if latents.position is not None and latents.position.step == step:
                return with_steps(self.steps[:number], self.inputs)
        raise LatentsError(f"step {step} is not there; choose a step that is done.")

    def newest(self) -> Latents:
        """See `Look.newest`."""
        return self.steps[-1]

    def preview(self, tiny: str | None = None) -> list[Image | Clip]:
        """See `Look.preview`."""
        return self.make_preview(self.steps[-1], tiny)

    def values(self) -> np.ndarray[Any, Any]:
        """See `Look.values`."""
        found: np.ndarray[Any, Any] = self.steps[-1].tensor.float().numpy()
        return found


def _number(step: Latents) -> int:
    """Which step latents are; 0 for those that do not say."""
    return step.position.step if step.position is not None else 0


def with_steps(steps: Sequence[Latents], inputs: Inputs) -> Latents:
    """The last of steps with all of them as its trajectory, behind those of the latents that the stage went on from."""
    from jupyter_latents.latents.trajectory import Trajectory

    last, before = steps[-1], list[Any]()
    given = inputs.latents[0] if len(inputs.latents) == 1 else None
    if given is not None and given.position is not None and last.position is not None:
        same = given.position.schedule == last.position.schedule
        before = list(given.trajectory or (given,)) if same else []
    return replace(last, trajectory=Trajectory([*before, *steps]))
