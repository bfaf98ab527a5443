"""What the stages of a panel will do: asked for when the text has changed, found out in a thread, kept while true."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from jupyter_latents.display.panel.model import PanelModel
from jupyter_latents.engine import scheduler_names
from jupyter_latents.errors import StoppedError

from .faults import find
from .knowledge import Knowledge
from .outlook import Planner, look

if TYPE_CHECKING:
    from jupyter_latents.session import Session

__all__ = ["Forecast"]


class Forecast:
    """Asks the session for plans.

    Args:
        session: Plans.
        model: The stages; it is only touched under the lock.
        known: Learns what was found.
        lock: The panel's.
        learned: Is called, under the lock, when there is something new to show.
    """

    def __init__(
        self, session: Session, model: PanelModel, known: Knowledge, lock: threading.RLock, learned: Callable[[], None]
    ) -> None:
        self._session, self._model, self._known = session, model, known
        self._lock, self._learned = lock, learned
        self._planner = Planner(self._plan)
        self._asked = ""
        self._closed = False

    def ask(self) -> None:
        """Asks about the present text, once."""
        text = self._model.text
        if text != self._asked and text:
            self._asked = text
            self._planner.ask(text)

    def forget(self) -> None:
        """What was asked may have another answer now."""
        self._asked = ""

    def wait(self, timeout: float) -> None:
        """Waits until all is answered."""
        self._planner.wait(timeout)

    def close(self) -> None:
        """Asks no more."""
        self._closed = True
        self._planner.close()

    def _plan(self, text: str) -> None:
        """Finds out what the stages will do; in the planner's thread."""
        with self._lock:
            if not self._is_current(text):
                return
            copied = self._model.copied()
            seen = self._model.marks(scheduler_names())
        try:
            found = find(
                copied, seen, lambda model: look(self._session, model.text, model.counts(), self._planner.check)
            )
        except StoppedError:
            return  # the next question, or nobody, is answered
        with self._lock:
            if self._is_current(text):
                self._known.learn(text, found.outlooks, found.marks)
                self._learned()

    def _is_current(self, text: str) -> bool:
        return not self._closed and text == self._model.text
