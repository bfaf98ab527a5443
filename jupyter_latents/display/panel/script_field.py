"""The script under a panel: written from the forms, and read into them when a person has typed there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_latents.errors import JupyterLatentsError

from .layout import PanelWidgets
from .model import PanelModel

__all__ = ["ScriptField"]


class ScriptField:
    """What stands in the script's field.

    Args:
        widgets: The field, and the line for what is wrong with it.
        model: The stages.
    """

    def __init__(self, widgets: PanelWidgets, model: PanelModel) -> None:
        self._widgets, self._model = widgets, model
        self._written: str | None = None
        self._heard: str | None = None  # the last text that came from the front end
        widgets.text.observe(lambda change: self._hear(change["new"]), "value")

    def _hear(self, text: str) -> None:
        self._widgets.say_text_error("")
        self._heard = self._heard if text == self._written else text

    def take_typed(self, typed: Mapping[str, Any]) -> None:
        """Takes the script that came with a click; see `StageEditor.take_typed`."""
        text = typed.get(self._widgets.text.model_id)
        if isinstance(text, str) and text != self._heard:
            self._widgets.text.value = text

    def _put(self, text: str) -> None:
        self._written = text
        self._widgets.text.value = text

    def write(self) -> None:
        """Writes the forms' script; what a person wrote there stays until the forms change or it is read."""
        text = self._model.text
        if text != self._written:
            self._put(text)

    def read(self) -> JupyterLatentsError | None:
        """Fills the forms from what a person wrote there; what is wrong with it, which is then shown below it."""
        text = self._widgets.text.value
        if text == self._written:
            return None
        try:
            self._model.apply(text)
        except JupyterLatentsError as error:
            self._widgets.say_text_error(str(error))
            return error
        self._put(self._model.text)
        return None
