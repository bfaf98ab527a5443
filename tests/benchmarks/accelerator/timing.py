"""Marks on the device's own time line, and the steps of plain diffusers and of the engine between them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine.observer import Silent

if TYPE_CHECKING:
    from jupyter_latents.engine import Look, Observer, Phase, StageResult, StepEvent

__all__ = ["Marks", "Timed", "rate"]


class Marks:
    """Points in the device's time: events on an accelerator, which wait for nothing, else the clock's seconds.

    Args:
        device: ``cuda`` or ``cpu``.
    """

    def __init__(self, device: str) -> None:
        self._cuda, self._marks = device.startswith("cuda"), list[Any]()

    def mark(self) -> None:
        """Marks now."""
        if not self._cuda:
            self._marks.append(time.perf_counter())
            return
        import torch

        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._marks.append(event)

    def __len__(self) -> int:
        return len(self._marks)

    def seconds(self) -> list[float]:
        """Seconds between each two marks; waits for the device."""
        pairs = list(zip(self._marks, self._marks[1:], strict=False))
        if not self._cuda:
            return [last - first for first, last in pairs]
        import torch

        torch.cuda.synchronize()
        return [first.elapsed_time(last) / 1000 for first, last in pairs]


class Timed(Silent):
    """An observer that marks each step, and lets another watch.

    Args:
        device: ``cuda`` or ``cpu``.
        watch: The other; None for nobody.
    """

    def __init__(self, device: str, watch: Observer | None = None) -> None:
        self.marks, self._watch = Marks(device), watch or Silent()
        self.phases: list[tuple[str, float]] = []
        self.first_step: float | None = None

    def phase(self, phase: Phase) -> None:
        """Passes it on."""
        self.phases.append((phase.name, time.perf_counter()))
        self._watch.phase(phase)

    def step(self, event: StepEvent, look: Look) -> None:
        """Marks the step's end, then passes it on."""
        self.marks.mark()
        self._watch.step(event, look)

    def note(self, text: str, *, warning: bool = False) -> None:
        """Passes it on."""
        self._watch.note(text, warning=warning)

    def result(self, result: StageResult) -> None:
        """Passes it on."""
        self._watch.result(result)


def rate(seconds: list[float]) -> float:
    """Steps a second over all that lie between the first and the last mark."""
    return len(seconds) / sum(seconds) if seconds and sum(seconds) else 0.0
