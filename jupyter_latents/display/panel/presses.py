"""Clicks that carry what was typed before them; see ``presses.js``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import traitlets
from anywidget import AnyWidget

__all__ = ["Press", "Presses"]


@dataclass(frozen=True)
class Press:
    """A click.

    Attributes:
        button: The button's name; ``stage`` for a line of the list of stages.
        index: Which line of that list.
        typed: What was put into fields since the last click, by the fields' models.
    """

    button: str
    index: int = -1
    typed: dict[str, Any] = field(default_factory=dict)


class Presses(AnyWidget):
    """Tells clicks on buttons of the class ``dgp-do-NAME``; it is not seen.

    Attributes:
        fields: The models of the fields whose content a click carries.
    """

    _esm = resources.files(__package__).joinpath("static", "presses.js").read_text(encoding="utf-8")
    fields: Any = traitlets.List().tag(sync=True)

    def __init__(self) -> None:
        super().__init__(layout={"display": "none"})
        self._pressed: Callable[[Press], None] = lambda _: None
        self.on_msg(lambda _, content, __: self._take(content))

    def on_press(self, pressed: Callable[[Press], None]) -> None:
        """Has clicks told."""
        self._pressed = pressed

    def _take(self, content: object) -> None:
        found = content if isinstance(content, dict) else {}
        button, index, typed = found.get("button"), found.get("index", -1), found.get("typed")
        if isinstance(button, str) and type(index) is int and isinstance(typed, dict):
            self._pressed(Press(button, index, typed))
