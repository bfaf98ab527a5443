"""Files dropped on the panel; ipywidgets' own button only takes those that are chosen in a dialogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from anywidget import AnyWidget

from .files import front_script

__all__ = ["ANYWHERE", "Drops"]

ANYWHERE = "panel"
"""What the panel itself is called where a file is dropped beside its fields."""


class Drops(AnyWidget):
    """Listens for files over the fields of the class ``dgp-drop`` and over the panel around them; it is not seen.

    Args:
        fields: The fields that take files.
        dropped: Is given a field's name, the file's name and its bytes.
    """

    _esm = front_script("drops.js")

    def __init__(self, fields: Sequence[str], dropped: Callable[[str, str, bytes], None]) -> None:
        super().__init__(layout={"display": "none"})
        self.on_msg(lambda _, content, buffers: self._take(content, buffers))
        self._fields, self._dropped = (*fields, ANYWHERE), dropped

    def _take(self, content: dict[str, Any], buffers: Sequence[Any]) -> None:
        if content.get("field") in self._fields and buffers:
            self._dropped(str(content["field"]), str(content.get("file", "")), bytes(buffers[0]))
