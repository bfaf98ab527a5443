"""The small pictures of a run: made as it goes on where time allows, and filled in when a stage or the run ends."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from jupyter_latents.display.pictures.channels import quantise
from jupyter_latents.display.pictures.images import frame
from jupyter_latents.display.records.fill import FRAME_SIDE, fill_channels, fill_end, fill_frames
from jupyter_latents.display.records.pace import PreviewPace
from jupyter_latents.display.records.stage_record import Point, own_sigma
from jupyter_latents.errors import JupyterLatentsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jupyter_latents.display.records.run_record import RunRecord
    from jupyter_latents.display.screens import Screen
    from jupyter_latents.engine import ItemEvent, Look, StepEvent

__all__ = ["Previews"]

_ITEM_SIDE = 128  # pixels of the small pictures of stages that run at the same time
_FILLING_SECONDS = 0.2  # for the frames that are missing at the end; the cell waits for them
_FILLING_SHARE, _FILLING_MOST = 0.15, 5  # or so much of a longer run's time, at most so many times as long
_STEADY_FRAMES = 24  # that are made at the end where no clock decides: as many each time


class Previews:
    """Makes the small pictures of a run, and the channels of its steps; a failure costs the picture and not the run.

    Args:
        every: See `PreviewPace`.
        vae: A tiny autoencoder that makes them; None for what the engine has.
        screens: Where the run is shown now.
    """

    def __init__(self, every: int | None, vae: str | None, screens: Callable[[], Sequence[Screen]]) -> None:
        self._pace, self._vae, self._screens = PreviewPace(every), vae, screens

    def begin(self) -> float:
        """The run begins; when, in seconds of the monotonic clock."""
        return self._pace.begin()

    def each(self, *, on: bool) -> None:
        """See `PreviewPace.each`."""
        self._pace.each(on=on)

    def point(self, event: StepEvent, look: Look, record: RunRecord) -> Point:
        """A step, with its frame and channels where it gets them now.

        Args:
            event: The step.
            look: Makes its pictures.
            record: The run so far.
        """
        point = Point(event.step, own_sigma(event.noise), str(event.noise), look=look)
        due = self._pace.asked or not self._steady
        if self._shown and due and self._pace.wants(event, record):
            with self._pace.account(record):
                point.channels = quantise(look.values()[0])
                point.frame = self._small(look, FRAME_SIDE, record)
        return point

    def of_item(self, event: ItemEvent, look: Look, record: RunRecord) -> bytes:
        """A small picture of one of several stages that run at the same time; empty where none is due or looked at.

        Args:
            event: How far the stage is.
            look: Makes its pictures.
            record: The run so far.
        """
        seen = any(screen.live and screen.pictures for screen in self._screens())
        if not seen or not self._pace.wants_of_item(event):
            return b""
        with self._pace.account_item(event):
            return self._small(look, _ITEM_SIDE, record) or b""

    def fill_stage(self, record: RunRecord) -> None:
        """Makes what the last stage lacks, which has its result now.

        Args:
            record: The run so far.
        """
        fill_channels(record.stages[-1], self._deadline(record) if self._shown else 0.0)
        if self._pace.any and self._shown:
            fill_end(record.stages[-1])

    def fill_run(self, record: RunRecord) -> None:
        """Makes frames that are missing, for as long as the cell may wait.

        Args:
            record: The run, which has ended.
        """
        if self._pace.any and self._shown:
            fill_frames(record, self._deadline(record), _STEADY_FRAMES if self._steady else None)

    @property
    def _shown(self) -> bool:
        """Whether pictures are of use: not where the run is shown in a terminal alone."""
        screens = self._screens()
        return not screens or any(screen.pictures for screen in screens)

    @property
    def _steady(self) -> bool:
        """Whether no clock decides which steps have pictures, so that the same run leaves the same output."""
        screens = self._screens()
        unseen = bool(screens) and not any(screen.live for screen in screens)
        return self._pace.asked or (unseen and self._vae is None)

    def _deadline(self, record: RunRecord) -> float:
        """Until when pictures and channels that are missing are made."""
        if self._steady:
            return math.inf
        longer = min(_FILLING_MOST * _FILLING_SECONDS, _FILLING_SHARE * record.seconds)
        return time.monotonic() + max(_FILLING_SECONDS, longer)

    def _small(self, look: Look, side: int, record: RunRecord) -> bytes | None:
        """A preview with so many pixels a side at most; None where there is none."""
        try:
            pictures = look.preview(self._vae)
            return frame(pictures, side) if pictures else None
        except (JupyterLatentsError, RuntimeError, ValueError) as error:
            said = getattr(error, "message", str(error)).split("\n")[0]
            record.add_note(f"a step has no preview: {said}", warning=False)
            return None
