"""What a panel has the session do: run its stages, plan them, end what runs and what waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jupyter_latents.engine import scheduler_names
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.syntax.script import Script

from .model import PanelModel
from .queue import Queue
from .rest import Clicks
from .results import Results
from .whole import Say

if TYPE_CHECKING:
    from jupyter_latents.session.runs.run import Run

__all__ = ["FARES", "Errands"]

_BEHIND = "in the queue, behind the run that goes on"
_BEHIND_PAUSED = "in the queue, behind a paused run: press Resume in its view, or ■ Stop below to end it"
_RUNNING, _PAUSED = "running; the kernel is free meanwhile", "paused; press Resume below"
FARES = frozenset({_BEHIND, _BEHIND_PAUSED, _RUNNING, _PAUSED})
"""How a run may fare until it ends, in words."""


class Errands:
    """Runs and plans of the stages as they are now.

    Args:
        model: The stages.
        results: Shows them.
        queue: The kernel's runs.
        clicks: Those that wait until the fields have come to rest.
        say: Says a line.
    """

    def __init__(self, model: PanelModel, results: Results, queue: Queue, clicks: Clicks, say: Say) -> None:
        self._model, self._results, self._queue, self._clicks, self._say = model, results, queue, clicks, say
        self._run: Run | None = None

    @property
    def fares(self) -> str:
        """How the run that was asked for last fares, in words."""
        if self._run in self._queue.waiting:
            return _BEHIND_PAUSED if self._queue.paused else _BEHIND
        return _PAUSED if self._queue.paused else _RUNNING

    def run(self) -> None:
        """Runs the stages, behind what runs already."""
        script = self._script()
        if script is not None:
            self._run = self._results.start(script)
            self._say(self.fares)

    def dry_run(self, planned: Callable[[JupyterLatentsError | None], None]) -> None:
        """Shows what a run would do.

        Args:
            planned: Is called in a thread when it is shown, with what went wrong.
        """
        script = self._script()
        if script is not None:
            self._say("planning")
            self._results.plan(script, planned)

    def stop(self) -> None:
        """Ends the run that goes on, or the one that was asked for and has not begun."""
        if self._clicks.cancel("run"):
            self._say("stopped before it began")
        else:
            self._queue.stop()

    def cancel(self) -> None:
        """Takes all that waits out of the queue."""
        count = self._queue.cancel()
        self._say(f"{count} run{'s'[count == 1 :]} taken out of the queue")

    def _script(self) -> Script | None:
        """The script; None where a field is marked, which is then shown."""
        marks = self._model.marks(scheduler_names())
        if marks:
            self._model.selected = marks[0].index
            self._say(f"stage {marks[0].index + 1}: {marks[0].message}", fault=True)
            return None
        if not self._model.text:
            self._say("There is nothing to run; choose a model.", fault=True)
            return None
        return Script(self._model.text)
