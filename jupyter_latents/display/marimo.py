"""The live view in marimo, which shows a widget where a cell ends with it and knows no outputs that are replaced."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from jupyter_latents.display.live import LiveScreen
from jupyter_latents.errors import SettingError

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["NO_PANEL", "MarimoScreen", "in_marimo", "refuse_to_bind"]

NO_PANEL = (
    "The panel is made of ipywidgets, which marimo does not show: it runs in JupyterLab, Notebook 7, VS Code and "
    "Colab. Here jl.start(...) as a cell's last line runs a cell's text and draws its view."
)


def in_marimo() -> bool:
    """Whether a cell of marimo runs here."""
    marimo = sys.modules.get("marimo")
    return marimo is not None and bool(marimo.running_in_notebook())


def refuse_to_bind(name: str, latents: Latents) -> None:
    """Says that marimo's cells alone make variables.

    Raises:
        SettingError: Always.
    """
    del latents
    raise SettingError(f"marimo makes variables in cells alone; copy the line for {name} into one.")


class MarimoScreen(LiveScreen):
    """One widget that stays: without a kernel, in an exported page, it shows the pictures that it holds.

    Args:
        view: What it shows.
    """

    def show(self) -> None:
        """See `Screen.show`."""
        self._open_widget(update=False)
        if self.view.record.ended is not None:
            self.finish()

    def finish(self) -> None:
        """See `Screen.finish`."""
        from jupyter_latents.display.static_html import Budget, run_html

        if self.view.record.stages:
            self.widget.still = run_html(self.view.record, Budget(10, 64, 512, 1, script=False))
        self._send_news()

    def retire(self) -> None:
        """See `LiveScreen.retire`: nothing stands in its place."""

    def _send_lasting(self) -> None:
        self._owed = False
