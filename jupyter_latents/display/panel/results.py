"""The control panel's results: the output under it, where its runs and plans are shown and stay when it is gone."""

from __future__ import annotations

import contextvars
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.plan import plan_html
from jupyter_latents.display.screens import publish
from jupyter_latents.errors import JupyterLatentsError

from .fields import worded

if TYPE_CHECKING:
    from jupyter_latents.display.view import RunView
    from jupyter_latents.session import Session
    from jupyter_latents.session.runs import Run
    from jupyter_latents.syntax.script import Script

__all__ = ["Results", "in_thread", "told"]

_EMPTY = "Runs and dry runs of the panel appear here and stay in the notebook."


class Results:
    """An output of its own, not a widget: a saved notebook keeps what it shows.

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
        self._display_id = uuid.uuid4().hex
        self._watcher: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether its run goes on."""
        return self.run is not None and not self.run.wait(0)

    def show(self) -> None:
        """Makes the output, empty; what is shown comes there."""
        hint = f'<span style="opacity: .6">{_EMPTY}</span>'
        publish({"text/html": hint, "text/plain": _EMPTY}, self._display_id)

    def start(self, script: Script) -> Run:
        """Starts a script and shows it; returns at once.

        Args:
            script: The script, checked.
        """
        from jupyter_latents.display.view import RunView
        from jupyter_latents.session import Task

        view = self.view = RunView(bind=self._session.names.__setitem__)
        run = self.run = self._session.start(Task(script), view)
        view.show(self._display_id)
        view.attach(run)
        self._watcher = in_thread(lambda: self._watch(run, view))
        return run

    def plan(self, script: Script, planned: Callable[[JupyterLatentsError | None], None]) -> None:
        """Shows what a script would do; returns at once.

        Args:
            script: The script, checked.
            planned: Is called in a thread when it is shown, with what went wrong.
        """
        self._watcher = in_thread(lambda: self._plan(script, planned))

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
        self._ended(run)

    def _plan(self, script: Script, planned: Callable[[JupyterLatentsError | None], None]) -> None:
        from jupyter_latents.session import Task

        try:
            plan = self._session.plan(Task(script))
        except JupyterLatentsError as error:
            planned(error)
            return
        bundle: dict[str, Any] = {"text/html": plan_html(plan), "text/plain": repr(plan)}
        publish(bundle, self._display_id, update=True)
        planned(None)


def told(run: Run) -> str:
    """How a run ended, in words."""
    if isinstance(run.error, JupyterLatentsError):
        return worded(run.error)
    count = len(run.results)
    evaluations = run.model_evaluations
    return f"{run.state}: {count} stage{'s'[count == 1 :]}, {evaluations} model evaluation{'s'[evaluations == 1 :]}"


def in_thread(work: Callable[[], None]) -> threading.Thread:
    """A started thread with this one's context, which notebook kernels need to route output.

    Args:
        work: What it does.
    """
    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="dgen-panel-run", daemon=True)
    thread.start()
    return thread
