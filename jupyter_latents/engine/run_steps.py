"""The steps that a run has done: shown to who watches it, checked, and made a result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from jupyter_latents.engine.failures.extremes import Extreme, extreme_of
from jupyter_latents.engine.failures.finite import LateCheck, check_finite, is_finite
from jupyter_latents.engine.layout import Layout
from jupyter_latents.engine.observer import Observer, Phase
from jupyter_latents.engine.outcome import RunOrigin, StepLog, finite, last_latents, newest_latents, result_of
from jupyter_latents.engine.result import StageResult
from jupyter_latents.engine.rules.origin import fps_of
from jupyter_latents.engine.tap.states import StepState
from jupyter_latents.engine.vae import codec
from jupyter_latents.errors import LatentsError, RunError, StoppedError
from jupyter_latents.latents.value import Latents
from jupyter_latents.settings import SETTINGS
from jupyter_latents.wording import readable

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from jupyter_latents.latents.clip import Clip

__all__ = ["RunSteps"]

_LAST = 2  # steps at the end that always stay


class RunSteps:
    """The steps of a run as far as it has come; a `Look`.

    Attributes:
        done: The steps.
        thinned: How many of a clip's were let go of.
        origin: What the run is of.

    Args:
        layout: How the pipeline's loop holds latents.
        origin: See the attribute. No function of the run: both would hold each other, and the model, until the garbage
            collector comes.
    """

    def __init__(self, layout: Layout, origin: RunOrigin) -> None:
        self.done, self.origin, self.thinned = StepLog(), origin, 0
        self._layout, self._late = layout, LateCheck()

    def add(self, state: StepState) -> None:
        """Takes a step.

        Raises:
            RunError: It, or one before it, made NaN or infinite values.
        """
        self.done.states.append(state)
        self._refuse(self._late.add(state.latents))
        if self.origin.model.facts.space.moves:
            self._thin(self.done.states)

    def _thin(self, states: list[StepState]) -> None:
        """Lets every second step of a clip go where all take more than may be kept of past runs.

        The last two stay, and those where what steers the run changes. A clip's step takes megabytes by the dozen.
        """
        if len(states) <= _LAST or sum(state.size for state in states) <= SETTINGS.trajectory_memory:
            return
        span = self.done.span
        marks = {span.index(step) for step in self.done.switches} if span is not None else set()
        kept = [state for number, state in enumerate(states[:-_LAST]) if number % 2 or state.index in marks]
        self.thinned += len(states) - _LAST - len(kept)
        states[:] = [*kept, *states[-_LAST:]]

    def settle(self) -> None:
        """Sees that all steps have made numbers.

        Raises:
            RunError: One has made NaN or infinite values.
        """
        self._refuse(self._late.settle())

    def extreme(self) -> Extreme | None:
        """What came in that is to blame where a part makes NaN or infinity."""
        origin = self.origin
        return extreme_of(origin.stage, origin.started)

    def _refuse(self, values: torch.Tensor | None) -> None:
        """Sees that a step has made numbers.

        Args:
            values: What a step has made that are none; None where all are.

        Raises:
            RunError: NaN or infinite values; says which part made them.
        """
        if values is None:
            return
        origin, span = self.origin, self.done.span
        state = next(state for state in self.done.states if state.latents is values)
        step = span.step(state.index) if span is not None else None
        by_denoiser = state.denoised is None or not is_finite(state.denoised)
        part = f"the {origin.model.facts.denoiser}" if by_denoiser else type(self.done.scheduler).__name__
        whole = span.of if span is not None else "?"
        where = f"{part} of {origin.stage.model.name}, at step {step} of {whole},"
        check_finite(values, where, origin.model.dtype, extreme=self.extreme)

    def latents(self, step: int) -> Latents:
        """See `Look.latents`."""
        span, origin = self.done.span, self.origin
        states = [state for state in tuple(self.done.states) if span and (span.step(state.index) or 0) <= step]
        done = finite(replace(self.done, states=states))
        if span is None or done is None or span.step(done.states[-1].index) != step:
            raise LatentsError(f"step {step} of {origin.stage.model.name} is not there; choose a step that is done.")
        return last_latents(done, origin)

    def newest(self) -> Latents:
        """See `Look.newest`."""
        return newest_latents(self.done, self.origin)

    def preview(self, tiny: str | None = None) -> list[Image | Clip]:
        """See `Look.preview`."""
        self.settle()
        state = self.done.states[-1]
        shown = state.denoised if state.denoised is not None else state.latents
        model = self.origin.model
        return model.previewer(tiny).images(model.facts.space.seen(self._unpacked(shown)))

    def values(self) -> np.ndarray[Any, Any]:
        """See `Look.values`."""
        self.settle()
        return self._unpacked(self.done.states[-1].latents).float().cpu().numpy()

    def _unpacked(self, held: torch.Tensor) -> torch.Tensor:
        return self._layout.unpack(held, self.done.shape)

    def result(self, observer: Observer) -> StageResult:
        """What they made, decoded where it is clean; stopped and without pictures where the decoding was ended.

        Args:
            observer: Is told that they are decoded.

        Raises:
            RunError: There are none.
        """
        origin = self.origin
        if not self.done.states or self.done.span is None:
            raise RunError(f"{origin.stage.model.name} ran no step: its pipeline called no callback_on_step_end.")
        latents = last_latents(self.done, origin)
        images: tuple[Image | Clip, ...] = ()
        if self.thinned:
            observer.note(
                f"{self.thinned} steps of this clip are not kept: all would take more than "
                f"{readable(SETTINGS.trajectory_memory)} (%config JupyterLatents.trajectory_memory)"
            )
        if latents.is_clean:
            observer.phase(Phase("decoding"))
            try:
                pictures = codec.decode(origin.model.facts.space.seen(latents.tensor), origin.model.vae_for_decoding)
                images = tuple(codec.to_pil(pictures, fps_of(latents.provenance)))
            except StoppedError:
                self.done.stopped = True  # its steps are done, and stay
        return result_of(self.done, origin, latents, images)

    def partial(self) -> StageResult | None:
        """What there is after a failure: the steps done before it, ready to be continued; None before the first."""
        done, origin = finite(self.done), self.origin
        return result_of(done, origin, last_latents(done, origin)) if done is not None else None
