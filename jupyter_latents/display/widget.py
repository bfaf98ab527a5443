"""The live view's widget; imported when a view is shown, for it brings ipywidgets."""

from __future__ import annotations

from typing import Any

import traitlets
from anywidget import AnyWidget

from jupyter_latents.display.scripts import live_script, page_style

__all__ = ["LiveWidget", "answer_on_the_asking_thread"]


class LiveWidget(AnyWidget):
    """Everything goes by custom messages.

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
