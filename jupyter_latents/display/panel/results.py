"""The control panel's results: the outputs under it, where its runs and plans are shown and stay when it is gone."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.screens import publish
from jupyter_latents.display.tables.plan import plan_html
from jupyter_latents.display.texts import status
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.settings import SETTINGS
from jupyter_latents.threads import start_thread
from jupyter_latents.wording import as_html

from .fields import worded

if TYPE_CHECKING:
    from jupyter_latents.display.view import RunView
    from jupyter_latents.session import Session
    from jupyter_latents.session.plans.planning import Plan
    from jupyter_latents.session.runs.run import Run
    from jupyter_latents.syntax.script import Script

__all__ = ["Results", "ending"]

_EMPTY = "Runs and dry runs of the panel appear here and stay in the notebook."
_SMALL = "font: 13px/1.45 system-ui, sans-serif"
_EARLIER = 8  # results that stay folded below the newest one
_TITLE = 200  # characters of the line of each


class Results:
    """Outputs of their own, not widgets: a saved notebook keeps what they show.

    The newest result stands first; those before it are folded below it, in an output that a live view never replaces.
    A run that waits for another one is shown when that has ended.

    Attributes:
        run: The run that is shown, or was last.
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
        self._lock = threading.RLock()
        self._waiting: deque[tuple[Run, RunView]] = deque()
        self._watchers: list[threading.Thread] = []

    @property
    def busy(self) -> bool:
        """Whether one of its runs goes on or waits."""
        return bool(self._waiting) or (self.run is not None and not self.run.wait(0))

    def show(self) -> None:
        """Makes the outputs, empty; what is shown comes there."""
        hint = f'<span style="{_SMALL}; opacity: .65">{_EMPTY}</span>'
        publish({"text/html": hint, "text/plain": _EMPTY}, self._newest_id)
        publish(self._earlier_bundle(), self._earlier_id)

    def start(self, script: Script) -> Run:
        """Starts a script, behind one that runs, and shows it when it is its turn; returns at once.

        Args:
            script: The script, checked.
        """
        from jupyter_latents.display.view import RunView
        from jupyter_latents.session import Task

        with self._lock:
            going = self.busy
            view = RunView(bind=self._session.names.__setitem__)
            run = self._session.start(Task(script), view)
            view.attach(run)
            self._waiting.append((run, view))
            if not going:
                self._next()
        self._work(lambda: self._watch(run, view), "dgen-panel-run")
        return run

    def _next(self) -> None:
        """Shows the next run, where one waits to be shown."""
        while self._waiting:
            run, view = self._waiting.popleft()
            if run.wait(0) and not run.results:
                continue  # it was taken out of the queue
            self._fold()
            self.run, self.view, self._newest = run, view, view
            view.show(self._newest_id)
            return

    def plan(self, script: Script, planned: Callable[[JupyterLatentsError | None], None]) -> None:
        """Shows what a script would do; returns at once.

        Args:
            script: The script, checked.
            planned: Is called in a thread when it is shown, with what went wrong.
        """
        self._work(lambda: self._plan(script, planned), "dgen-panel-plan")

    def wait(self, timeout: float = 60) -> None:
        """Waits until the runs and plans that go on are shown."""
        for thread in tuple(self._watchers):
            thread.join(timeout)

    def _work(self, work: Callable[[], None], name: str) -> None:
        self._watchers = [one for one in self._watchers if one.is_alive()] + [start_thread(work, name)]

    def _watch(self, run: Run, view: RunView) -> None:
        run.wait()
        with self._lock:
            if run is self.run:
                view.finish()
                self._newest = _folded(view)
                self._next()
        self._ended(run)

    def _plan(self, script: Script, planned: Callable[[JupyterLatentsError | None], None]) -> None:
        from jupyter_latents.session import Task

        try:
            plan = self._session.plan(Task(script))
        except JupyterLatentsError as error:
            planned(error)
            return
        with self._lock:
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
        """All of them in one output, which keeps to the size of one: of the oldest there may be the line alone."""
        earlier = tuple(self._earlier)
        text = "\n".join(title for title, _ in earlier)
        lines = [f'<div style="{_SMALL}; padding: 5px 2px">{as_html(title)}</div>' for title, _ in earlier]
        left = SETTINGS.output_size - sum(len(part.encode()) for part in (text, *lines))
        for place, (title, html) in enumerate(earlier):
            line = f'<summary style="{_SMALL}; padding: 5px 2px; cursor: pointer">{as_html(title)}</summary>'
            part = f"<details>{line}{html}</details>"
            more = len(part.encode()) - len(lines[place].encode())
            if more > left:
                break
            left, lines[place] = left - more, part
        return {"text/html": "".join(lines), "text/plain": text}


def _folded(shown: Plan | RunView | tuple[str, str]) -> tuple[str, str]:
    """A result's line, and what opens below it."""
    from jupyter_latents.display.static_html import run_bundle
    from jupyter_latents.display.view import RunView

    if isinstance(shown, tuple):
        return shown
    if not isinstance(shown, RunView):
        return _line(f"dry run: {shown.summary}"), plan_html(shown)
    bundle = run_bundle(shown.record, SETTINGS.output_size // _EARLIER)
    return _line(f"{shown.record.title or 'run'}: {status(shown.record)}"), bundle["text/html"]


def _line(title: str) -> str:
    return title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}\u2026"


def ending(run: Run) -> str:
    """How a run ended, in words."""
    names = list(dict.fromkeys(run.bound))
    saved = f"saved as {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}" if names else ""
    if isinstance(run.error, JupyterLatentsError):
        return worded(run.error) + (f" What was made is {saved}." if saved else "")
    evaluations = run.model_evaluations
    told = ", ".join(filter(None, (run.state, saved)))
    return f"{told} · {evaluations} model evaluation{'s'[evaluations == 1 :]}"
