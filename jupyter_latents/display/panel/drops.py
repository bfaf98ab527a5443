"""Files dropped on the panel's fields; ipywidgets' own button only takes those that are chosen in a dialogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

from anywidget import AnyWidget

__all__ = ["Drops"]


class Drops(AnyWidget):
    """Listens for files over the fields of the class ``dgp-drop``; it is not seen.

    Args:
        fields: The fields that take files.
        dropped: Is given a field's name, the file's name and its bytes.
    """

    _esm = resources.files(__package__).joinpath("static", "drops.js").read_text(encoding="utf-8")

    def __init__(self, fields: Sequence[str], dropped: Callable[[str, str, bytes], None]) -> None:
        super().__init__(layout={"display": "none"})
        self.on_msg(lambda _, content, buffers: self._take(content, buffers))
        self._fields, self._dropped = tuple(fields), dropped

    def _take(self, content: dict[str, Any], buffers: Sequence[Any]) -> None:
        if content.get("field") in self._fields and buffers:
            self._dropped(str(content["field"]), str(content.get("file", "")), bytes(buffers[0]))
