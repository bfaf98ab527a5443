"""The control panel's results: the outputs under it, where its runs and plans are shown and stay when it is gone."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.screens import publish
from jupyter_latents.display.tables.plan import plan_html
from jupyter_latents.display.texts import status
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.settings import SETTINGS
from jupyter_latents.threads import start_thread

from .fields import worded

if TYPE_CHECKING:
    from jupyter_latents.display.view import RunView
    from jupyter_latents.session import Session
    from jupyter_latents.session.plans.planning import Plan
    from jupyter_latents.session.runs.run import Run
    from jupyter_latents.syntax.script import Script

__all__ = ["Results", "ending"]

_EMPTY = "Runs and dry runs of the panel appear here and stay in the notebook."
_EARLIER = 8  # results that stay folded below the newest one
_SHARE = 4  # each of them has a quarter of a whole output's size


class Results:
    """Outputs of their own, not widgets: a saved notebook keeps what they show.

    The newest result stands first; those before it are folded below it, in an output that a live view never replaces.

    Attributes:
        run: The last run.
        view: What shows it.

    Args:
        session: Runs and plans.
        ended: Is called in a thread when a run has ended.
    """

    def __init__(self, session: Session, ended: Callable[[Run], None]) -> None:
        self._session, self._ended = session, ended
        self.run: Run | None = None
        self.view: RunView | None = None
        self._newest_id, self._earlier_id = uuid.uuid4().hex, uuid.uuid4().hex
        self._newest: Plan | RunView | tuple[str, str] | None = None
        self._earlier: deque[tuple[str, str]] = deque(maxlen=_EARLIER)
        self._watcher: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether its run goes on."""
        return self.run is not None and not self.run.wait(0)

    def show(self) -> None:
        """Makes the outputs, empty; what is shown comes there."""
        hint = f'<span style="opacity: .6">{_EMPTY}</span>'
        publish({"text/html": hint, "text/plain": _EMPTY}, self._newest_id)
        publish(self._earlier_bundle(), self._earlier_id)

    def start(self, script: Script) -> Run:
        """Starts a script and shows it; returns at once.

        Args:
            script: The script, checked.
        """
        from jupyter_latents.display.view import RunView
        from jupyter_latents.session import Task

        self._fold()
        view = self.view = self._newest = RunView(bind=self._session.names.__setitem__)
        run = self.run = self._session.start(Task(script), view)
        view.show(self._newest_id)
        view.attach(run)
        self._watcher = start_thread(lambda: self._watch(run, view), "dgen-panel-run")
        return run

    def plan(self, script: Script, planned: Callable[[JupyterLatentsError | None], None]) -> None:
        """Shows what a script would do; returns at once.

        Args:
            script: The script, checked.
            planned: Is called in a thread when it is shown, with what went wrong.
        """
        self._watcher = start_thread(lambda: self._plan(script, planned), "dgen-panel-plan")

    def stop(self) -> None:
        """Ends the run at the next whole step."""
        if self.run is not None:
            self.run.stop()

    def wait(self, timeout: float = 60) -> None:
        """Waits until the run or plan that goes on is shown."""
        if self._watcher is not None:
            self._watcher.join(timeout)

    def _watch(self, run: Run, view: RunView) -> None:
        run.wait()
        view.finish()
        self._newest = _folded(view)
        self._ended(run)

    def _plan(self, script: Script, planned: Callable[[JupyterLatentsError | None], None]) -> None:
        from jupyter_latents.session import Task

        try:
            plan = self._session.plan(Task(script))
        except JupyterLatentsError as error:
            planned(error)
            return
        if self.busy:  # the live view keeps its place
            self._earlier.appendleft(_folded(plan))
            publish(self._earlier_bundle(), self._earlier_id, update=True)
        else:
            self._fold()
            self._newest = plan
            publish({"text/html": plan_html(plan), "text/plain": repr(plan)}, self._newest_id, update=True)
        planned(None)

    def _fold(self) -> None:
        """Puts the newest result among the earlier ones, to make place for another."""
        if self._newest is not None:
            self._earlier.appendleft(_folded(self._newest))
            self._newest = None
            publish(self._earlier_bundle(), self._earlier_id, update=True)

    def _earlier_bundle(self) -> dict[str, Any]:
        parts = (f"<details><summary>{escape(title)}</summary>{html}</details>" for title, html in tuple(self._earlier))
        return {"text/html": "".join(parts), "text/plain": "\n".join(title for title, _ in tuple(self._earlier))}


def _folded(shown: Plan | RunView | tuple[str, str]) -> tuple[str, str]:
    """A result's line, and what opens below it."""
    from jupyter_latents.display.static_html import run_bundle
    from jupyter_latents.display.view import RunView

    if isinstance(shown, tuple):
        return shown
    if not isinstance(shown, RunView):
        return f"dry run: {shown.summary}", plan_html(shown)
    bundle = run_bundle(shown.record, SETTINGS.output_size // _SHARE)
    return f"{shown.record.title or 'run'}: {status(shown.record)}", bundle["text/html"]


def ending(run: Run) -> str:
    """How a run ended, in words."""
    if isinstance(run.error, JupyterLatentsError):
        return worded(run.error)
    count = len(run.results)
    evaluations = run.model_evaluations
    return f"{run.state}: {count} stage{'s'[count == 1 :]}, {evaluations} model evaluation{'s'[evaluations == 1 :]}"
