"""The live view's widget; imported when a view is shown, for it brings ipywidgets."""

from __future__ import annotations

import time
from typing import Any

import traitlets
from anywidget import AnyWidget

from jupyter_latents.display.scripts import live_script, page_style

__all__ = ["MOST_WIDGETS", "LiveWidget", "ToldWidget", "answer_on_the_asking_thread"]

MOST_WIDGETS = 4
"""How many widgets one output may have in turn, where pages hear nothing."""
_DEAF_SECONDS = 4.0


class ToldWidget(AnyWidget):
    """Everything goes by custom messages; a page asks for it until it is told."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[str, float] = {}  # when each page asked first, which was answered at once

    def is_deaf(self, page: str) -> bool:
        """Whether a page still asks long after it was told; to be called each time that it asks.

        anywidget passes no message on to a widget that a busy page needed more than 2 seconds to load; another widget
        has to take its place.

        Args:
            page: What it calls itself.
        """
        now = time.monotonic()
        return now - self._asked.setdefault(page, now) > _DEAF_SECONDS


class LiveWidget(ToldWidget):
    """The live view.

    Attributes:
        still: What a page shows that no kernel answers, where nothing else stays there.
    """

    _esm = live_script()
    _css = page_style()
    still = traitlets.Unicode().tag(sync=True)


def answer_on_the_asking_thread(widget: Any) -> None:
    """Lets clicks arrive while a cell runs, on ipykernel 7.4 too.

    There a comm sends the front end's messages to the shell that published last, which a running cell blocks. Without
    that routing they arrive on the subshell that the front end chose. Other versions have no such attribute.
    """
    comm = widget.comm
    if comm is not None and hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = None  # noqa: SLF001 - the way the kernel's source offers
