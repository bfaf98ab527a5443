"""Which screen suits the place where Python runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_latents.display import screens
from jupyter_latents.display.live import LiveScreen
from jupyter_latents.display.publishing import front_end

if TYPE_CHECKING:
    from jupyter_latents.display.view import RunView

__all__ = ["choose_screen", "shows_pictures"]


def shows_pictures() -> bool:
    """Whether the shell shows more than text; for one that does not nothing is decoded. Without a shell it may be."""
    running = screens.shell()
    types = getattr(getattr(running, "display_formatter", None), "active_types", None)
    return types is None or not {"text/html", "image/png"}.isdisjoint(types)


def choose_screen(view: RunView, display_id: str | None = None) -> screens.Screen:
    """The screen that suits where Python runs.

    A program's kernel gets one output and its final update, no widget; a console's two outputs, since it updates none.

    Args:
        view: What it shows.
        display_id: The output to replace; a new one by default. A terminal has none.
    """
    running = screens.shell()
    if running is None or not hasattr(running, "kernel"):
        return screens.TerminalScreen(view)
    asking = front_end(running.kernel)
    if asking == "notebook":
        return LiveScreen(view, display_id)
    return screens.OutputScreen(view, display_id, updates=asking == "program")
