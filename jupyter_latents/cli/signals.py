"""Ctrl-C and SIGTERM stop the run at a whole step; a second one ends the process at once."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from .manual import STOPPED

if TYPE_CHECKING:
    from jupyter_latents.session.runs.run import Run

__all__ = ["Signals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Hears the signals that stop, while it is entered.

    Attributes:
        asked: How many came.
        run: The run to stop; None where there is none yet, and an interrupt is raised instead.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.run: Run | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {one: signal.signal(one, self._hear) for one in _SIGNALS}
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        for one, before in self._before.items():
            signal.signal(one, before)

    def follow(self, run: Run) -> None:
        """The run to stop from now on; one that was asked for before ends at once."""
        self.run = run
        if self.asked:
            run.stop()

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1
        if self.asked > 1:
            os._exit(STOPPED)  # what is written is written whole or not at all
        if self.run is None:
            raise KeyboardInterrupt
        self.run.stop()
