"""Clicks that carry what was typed before them, and cells that the page puts into the notebook; see ``presses.js``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import traitlets
from anywidget import AnyWidget

from jupyter_latents.threads import start_thread

from .files import front_script

__all__ = ["Press", "Presses"]

_ANSWER_SECONDS = 3.0


@dataclass(frozen=True)
class Press:
    """A click.

    Attributes:
        button: The button's name; ``stage`` for one of the stages.
        index: Which of these.
        typed: What was put into fields since the last click, by the fields' models.
    """

    button: str
    index: int = -1
    typed: dict[str, Any] = field(default_factory=dict)


class Presses(AnyWidget):
    """Tells clicks on buttons of the class ``dgp-do-NAME``, and names what ipywidgets leaves unnamed; it is not seen.

    Attributes:
        fields: The models of the fields whose content a click carries.
    """

    _esm = front_script("reach.js", "/notebook.js", "presses.js")
    fields: Any = traitlets.List().tag(sync=True)

    def __init__(self) -> None:
        super().__init__(layout={"display": "none"})
        self._pressed: Callable[[Press], None] = lambda _: None
        self._answered: Callable[[bool], None] = lambda _: None
        self._heard = threading.Event()
        self._lock = threading.Lock()
        self.on_msg(lambda _, content, __: self._take(content))

    def on_press(self, pressed: Callable[[Press], None]) -> None:
        """Has clicks told."""
        self._pressed = pressed

    def focus(self, field: str) -> None:
        """Has a field take the focus, once the page shows it.

        Args:
            field: The field's model.
        """
        self.send({"focus": field})

    def insert_cell(self, text: str, panel: str, answered: Callable[[bool], None]) -> None:
        """Asks the page to put a cell below the panel's.

        Args:
            text: The whole cell.
            panel: The model of the panel's box.
            answered: Is told whether the front end can; False, too, where it says nothing for a while, as a page that
                hears nothing. What it says later counts.
        """
        self._heard.set()  # an earlier question is answered together with this one
        heard = self._heard = threading.Event()
        self._answered = answered
        self.send({"cell": text, "below": panel})

        def give_up() -> None:
            heard.wait(_ANSWER_SECONDS)
            with self._lock:
                if not heard.is_set():
                    answered(False)

        start_thread(give_up, "dgen-panel-cell", heard.set)

    def _take(self, content: object) -> None:
        found = content if isinstance(content, dict) else {}
        if type(inserted := found.get("inserted")) is bool:
            with self._lock:
                self._heard.set()
                answered, self._answered = self._answered, lambda _: None
                answered(inserted)
            return
        button, index, typed = found.get("button"), found.get("index", -1), found.get("typed")
        if isinstance(button, str) and type(index) is int and isinstance(typed, dict):
            self._pressed(Press(button, index, typed))
