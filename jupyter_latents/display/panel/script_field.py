"""The script under a panel: written from the forms, and read into them when a person has typed there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jupyter_latents.errors import JupyterLatentsError

from .layout import PanelWidgets
from .model import PanelModel
from .reading import read_forms

__all__ = ["ScriptField"]


class ScriptField:
    """What stands in the script's field.

    Args:
        widgets: The field, and the line for what is wrong with it.
        model: The stages.
        typed: Is called when a person has typed there.
    """

    def __init__(self, widgets: PanelWidgets, model: PanelModel, typed: Callable[[], None] = lambda: None) -> None:
        self._widgets, self._model, self._typed = widgets, model, typed
        self._written: str | None = None
        self._heard: str | None = None  # the last text that came from the front end
        widgets.text.observe(lambda change: self._hear(change["new"]), "value")

    @property
    def typed(self) -> str:
        """What a person wrote there and no form has taken in yet; empty where there is nothing."""
        text = str(self._widgets.text.value)
        return "" if text == self._written else text

    @property
    def left(self) -> str:
        """What stays when the panel goes: the forms' script, or what was typed in place of it."""
        return self.typed or self._model.text

    def _hear(self, text: str) -> None:
        self._widgets.say_text_error("")
        if text != self._written:
            self._heard = text
            self._typed()

    def take_typed(self, typed: Mapping[str, Any]) -> None:
        """Takes the script that came with a click; see `StageEditor.take_typed`."""
        text = typed.get(self._widgets.text.model_id)
        if isinstance(text, str) and text != self._heard:
            self._widgets.text.value = text

    def put(self, text: str) -> None:
        """Puts a text there as if a person had typed it."""
        self._widgets.text.value = text

    def discard(self) -> None:
        """Takes back what was typed: the forms' script stands there again."""
        self._write(self._model.text)

    def _write(self, text: str) -> None:
        self._written = text
        self._widgets.text.value = text

    def write(self) -> None:
        """Writes the forms' script; what a person wrote there stays until it is read or discarded."""
        if not self.typed and self._model.text != self._written:
            self._write(self._model.text)

    def read(self, before: Callable[[], None] = lambda: None) -> JupyterLatentsError | None:
        """Fills the forms from what a person wrote there; what is wrong with it, which is then shown below it.

        Args:
            before: Is called before the forms change.
        """
        text = self._widgets.text.value
        if text == self._written:
            return None
        try:
            forms = read_forms(text)
        except JupyterLatentsError as error:
            self._widgets.say_text_error(str(error))
            return error
        before()
        self._model.put(forms)
        self._write(self._model.text)
        return None
