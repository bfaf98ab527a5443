"""Runs that a panel starts: in the background, shown in the panel's own output area."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets

from jupyter_latents.errors import JupyterLatentsError

if TYPE_CHECKING:
    from jupyter_latents.display.screens import Screen
    from jupyter_latents.display.view import RunView
    from jupyter_latents.executors import Run
    from jupyter_latents.session import Session
    from jupyter_latents.syntax.script import Script

__all__ = ["Results", "in_thread", "told"]

_LOOK = 0.1


class Results:
    """The place where runs and plans are shown; the last one stays.

    Args:
        session: Runs and plans.
        ended: Is called in a thread when a run has ended.
    """

    def __init__(self, session: Session, ended: Callable[[Run], None]) -> None:
        self._session, self._ended = session, ended
        self.output = ipywidgets.Output()
        self.box = ipywidgets.VBox([self.output])
        self.box.add_class("dgp-result")
        self.bundle: dict[str, Any] = {}
        self.closed = False
        self.run: Run | None = None
        self._watcher: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether its run goes on."""
        return self.run is not None and not self.run.wait(0)

    def start(self, script: Script) -> Run:
        """Starts a script and shows it; returns at once.

        Args:
            script: The script, checked.
        """
        from jupyter_latents.display.screens import choose_screen
        from jupyter_latents.display.view import RunView
        from jupyter_latents.session import Task

        view = RunView(bind=self._session.names.__setitem__)
        run = self.run = self._session.start(Task(script), view)
        view.attach(run)
        screen = choose_screen(view)
        self._watcher = in_thread(lambda: self._watch(run, view, screen))
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

    def _watch(self, run: Run, view: RunView, screen: Screen) -> None:
        """Shows a run live until it ends, and then puts what stays in its place."""
        from jupyter_latents.display.live import LiveScreen
        from jupyter_latents.display.static_html import run_bundle

        live = screen if isinstance(screen, LiveScreen) else None
        while not run.wait(_LOOK):
            if live is not None and run.state != "queued" and run is self.run:
                view.record.state = run.state
                live.update()
                self._put(live.widget)
        view.finish()
        if run is self.run:
            self._show(run_bundle(view.record, view.size))
        if live is not None:
            live.close()
        self._ended(run)

    def _put(self, widget: Any) -> None:
        if widget is not None and self.box.children != (widget,) and not self.closed:
            self.box.children = (widget,)

    def _plan(self, script: Script, planned: Callable[[JupyterLatentsError | None], None]) -> None:
        from jupyter_latents.session import Task

        try:
            plan = self._session.plan(Task(script))
        except JupyterLatentsError as error:
            planned(error)
            return
        self._show({"text/html": plan._repr_html_(), "text/plain": repr(plan)})
        planned(None)

    def _show(self, bundle: dict[str, Any]) -> None:
        self.bundle = bundle
        if self.closed:
            return
        self._put(self.output)
        self.output.outputs = ({"output_type": "display_data", "data": bundle, "metadata": {}},)


def told(run: Run) -> str:
    """How a run ended, in words."""
    if isinstance(run.error, JupyterLatentsError):
        return run.error.message
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
