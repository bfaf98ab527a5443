"""When a run's steps get previews: so many a second, and never more than a fiftieth of the run's time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_latents.display.records.run_record import RunRecord
    from jupyter_latents.engine import ItemEvent, StepEvent
    from jupyter_latents.stage import ModelSource, Size, Stage

__all__ = ["PreviewPace"]

_SECONDS = 0.2  # between two previews, unless every so many steps are asked for
_SHARE = 50  # or so many times what the last one took: they cost a fiftieth of the time at most
_usual: dict[tuple[ModelSource, Size | None, int], float] = {}  # seconds that a preview took, by model and size


class PreviewPace:
    """Says which steps of a run get a preview.

    Args:
        every: Every so many steps; 0 for none; None for at most five a second, and fewer or none where they would take
            more than a fiftieth of the time.
    """

    def __init__(self, every: int | None) -> None:
        self._every = self._given = every
        self._latest, self._wait, self._spent = 0.0, _SECONDS, 0.0
        self._ended: dict[int, float] = {}  # of each of several stages at once: when its latest preview was there
        self._took: dict[int, float] = {}  # and the seconds that it took

    @property
    def any(self) -> bool:
        """Whether there may be previews at all."""
        return self._every != 0

    @property
    def asked(self) -> bool:
        """Whether somebody said which steps get one."""
        return self._every is not None

    def each(self, *, on: bool) -> None:
        """Whoever looks chooses: each step gets one from now on, or as many as was asked for before.

        Args:
            on: Whether each does.
        """
        self._every = 1 if on else self._given

    def begin(self) -> float:
        """The run begins; when, in seconds of the monotonic clock."""
        self._latest = time.monotonic()
        return self._latest

    def wants(self, event: StepEvent, record: RunRecord) -> bool:
        """Whether a step gets one.

        Args:
            event: The step.
            record: The run so far.
        """
        if self._every == 0:
            return False
        if self._every is None:
            return time.monotonic() - self._latest >= self._wait and self._affords(event, record)
        return (event.step - event.span.start) % self._every == 0 or event.step == event.span.end

    def wants_of_item(self, event: ItemEvent) -> bool:
        """Whether one of several stages that run at the same time gets one; each as often as if it ran alone.

        Args:
            event: How far it is.
        """
        if self._every:
            return event.step % self._every == 0 or event.step == event.end
        wait = max(_SECONDS, _SHARE * self._took.get(event.index, 0.0))
        return self._every is None and time.monotonic() - self._ended.get(event.index, 0.0) >= wait

    @contextmanager
    def account_item(self, event: ItemEvent) -> Iterator[None]:
        """Counts the seconds that a preview of one of several stages takes inside."""
        began = time.monotonic()
        yield
        self._ended[event.index] = time.monotonic()
        self._took[event.index] = self._ended[event.index] - began

    @contextmanager
    def account(self, record: RunRecord) -> Iterator[None]:
        """Counts the seconds that a preview takes inside.

        Args:
            record: The run, whose last stage it is of.
        """
        began = time.monotonic()
        yield
        self._latest = time.monotonic()
        seconds = self._latest - began
        self._spent += seconds
        self._wait = max(_SECONDS, _SHARE * seconds)
        _usual[_alike(record.stages[-1].stage)] = seconds

    def _affords(self, event: StepEvent, record: RunRecord) -> bool:
        """Whether one more preview stays within a fiftieth of what the run will have taken at the stage's end."""
        stage = record.stages[-1]
        left = (event.span.end - event.step) * stage.denoising / max(1, stage.done)
        whole = time.monotonic() - record.began + left
        return _SHARE * (self._spent + _usual.get(_alike(stage.stage), 0.0)) <= whole


def _alike(stage: Stage) -> tuple[ModelSource, Size | None, int]:
    """Stages whose previews take as long."""
    return stage.model, stage.size, stage.batch_size
