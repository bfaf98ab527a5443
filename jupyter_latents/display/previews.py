"""Previews made beside the run: in a thread of their own, one at a time, so that no step waits for them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from jupyter_latents.display.channels import quantise
from jupyter_latents.display.filling import FRAME_SIDE
from jupyter_latents.display.images import jpeg, montage
from jupyter_latents.errors import JupyterLatentsError

if TYPE_CHECKING:
    from jupyter_latents.display.record import Point
    from jupyter_latents.engine.observer import StepEvent

__all__ = ["Previews", "preview"]


def preview(point: Point, event: StepEvent) -> None:
    """Gives a step its frame and its channels.

    Args:
        point: The step as it is recorded.
        event: The step as the run tells it.
    """
    point.channels = quantise(event.values()[0]) if event.values is not None else None
    pictures = event.preview()
    point.frame = jpeg(montage(pictures), FRAME_SIDE) if pictures else None


class Previews:
    """Makes the previews of one run.

    Attributes:
        failure: Why the last preview that failed did; empty when none has.
    """

    def __init__(self) -> None:
        self.failure = ""
        self._thread: threading.Thread | None = None

    def begin(self, point: Point, event: StepEvent) -> bool:
        """Begins a step's preview, unless an earlier one is still being made; says whether it has begun.

        Args:
            point: The step as it is recorded; gets its frame when that is made.
            event: The step as the run tells it.
        """
        if self._thread is not None and self._thread.is_alive():
            return False
        self._thread = threading.Thread(target=self._make, args=(point, event), name="preview-of-run", daemon=True)
        self._thread.start()
        return True

    def wait(self) -> None:
        """Waits for the preview that is being made."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _make(self, point: Point, event: StepEvent) -> None:
        try:
            preview(point, event)
        except (JupyterLatentsError, RuntimeError, ValueError) as error:
            self.failure = getattr(error, "message", str(error)).split("\n")[0]
