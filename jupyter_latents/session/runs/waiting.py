"""Waits for a run in the foreground: an interrupt stops it at a whole step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jupyter_latents.session.runs.run import Run
from jupyter_latents.stopping import Interrupted

if TYPE_CHECKING:
    from jupyter_latents.session.session import Session

__all__ = ["attend", "await_libraries"]

_POLL = 0.1  # seconds between two looks
_IMPORTS = 0.05  # the same, while libraries are imported


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


def await_libraries(run: Run, session: Session) -> None:
    """Waits until a run imports nothing more: other code that imports a part of a library meanwhile breaks both.

    Args:
        run: The run, which goes on.
        session: What it belongs to.

    Raises:
        Interrupted: An interrupt stopped the run; no library is left half imported.
    """
    try:
        while session.imports and not run.wait(_IMPORTS):
            pass
    except KeyboardInterrupt:
        run.stop()
        attend(run)
        raise Interrupted(run.left) from None
