"""Waits for a run in the foreground: an interrupt stops it at a whole step."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_latents.session.runs.run import Run
from jupyter_latents.stopping import Interrupted

__all__ = ["attend"]

_POLL = 0.1  # seconds between two looks


def _nothing() -> None:
    """Nothing is to be shown."""


def attend(run: Run, tick: Callable[[], None] = _nothing, finish: Callable[[], None] = _nothing) -> None:
    """Waits until a run has ended.

    Args:
        run: The run.
        tick: Called about ten times a second meanwhile.
        finish: Called at the end.

    Raises:
        JupyterLatentsError: What the run failed with, or what somebody who was told of a step raised.
        Interrupted: An interrupt of the waiting thread stopped it; the message says what there is of it.
    """
    interrupted = False
    while True:
        try:
            while not run.wait(_POLL):
                tick()
            finish()
            break
        except KeyboardInterrupt:
            interrupted = True
            run.stop()
    run.check()
    if interrupted:
        raise Interrupted(run.left)
