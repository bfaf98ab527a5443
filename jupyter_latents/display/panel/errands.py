"""What a panel has the session do: run its stages, plan them, end what runs and what waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.syntax.script import Script

from .model import PanelModel
from .queue import Queue
from .rest import Clicks
from .results import Results
from .whole import Say

if TYPE_CHECKING:
    from jupyter_latents.session.runs.run import Run

__all__ = ["Errands"]


class Errands:
    """Runs and plans of the stages as they are now.

    Attributes:
        told: How the run that was asked for last fared when that was said.

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
        self.told = ""

    @property
    def _fares(self) -> str:
        """How the run that was asked for last fares, in words."""
        first, own = (self._queue.name(run) for run in (self._queue.running, self._run))
        if self._run not in self._queue.waiting:
            if self._queue.paused:
                return f"{first} is paused: resume or stop it below"
            return "running; you can run other cells meanwhile"
        if self._queue.paused:
            return f"{own} waits, since {first} is paused: resume or stop it below"
        return f"{own} waits behind {first}; you can run other cells meanwhile"

    def tell(self) -> None:
        """Says how the run that was asked for last fares."""
        self.told = self._fares
        self._say(self.told)

    def run(self) -> None:
        """Runs the stages, behind what runs already."""
        script = self._script()
        if script is not None:
            self._run = self._results.start(script)
            self.tell()

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

    def resume(self) -> None:
        """Lets the run go on that is paused."""
        self._queue.resume()
        self.tell()

    def cancel(self) -> None:
        """Takes all that waits out of the queue."""
        names = self._queue.cancel()
        self._say(f"taken out of the queue: {', '.join(names)}")

    def _script(self) -> Script | None:
        """The script; None where there is none."""
        if not self._model.text:
            self._say("There is nothing to run; choose a model.", fault=True)
            return None
        return Script(self._model.text)
