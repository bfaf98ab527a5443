"""How outputs reach the person: the kernel's own publisher, and which front end asked for a cell."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["FrontEnd", "Publisher", "front_end", "publish", "shell"]

FrontEnd = Literal["notebook", "program", "console"]
_CLIENT = re.compile(r".+_\d+_\d+")
"""Message ids as Python's jupyter_client writes them: session, process, number."""


def shell() -> Any:
    """The IPython shell that runs here, or None."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    return get_ipython()


def front_end(kernel: Any) -> FrontEnd:
    """Who asked for the cell that runs.

    A notebook names its cell, or speaks JavaScript. Of what is written in Python, a program answers no questions: it
    updates outputs, and shows no widgets. A console does neither.

    Args:
        kernel: The kernel.
    """
    request: Mapping[str, Any] = kernel.get_parent("shell") if hasattr(kernel, "get_parent") else {}
    header, content = request.get("header") or {}, request.get("content") or {}
    if "cellId" in (request.get("metadata") or {}) or not _CLIENT.fullmatch(str(header.get("msg_id", ""))):
        return "notebook"
    return "console" if content.get("allow_stdin") else "program"


class Publisher:
    """Publishes as the cell would in which it was made, whenever and on whatever thread.

    ``%%capture`` puts a publisher of its own in the kernel's place while a cell runs; what another run says is none of
    its business. Hooks, such as Colab's for widgets, belong to the thread that registered them.
    """

    def __init__(self) -> None:
        self._publisher = getattr(shell(), "display_pub", None)
        self._hooks = tuple(getattr(self._publisher, "_hooks", ()))

    def publish(self, bundle: dict[str, Any], display_id: str, *, update: bool) -> None:
        """Sends a display bundle under a display id.

        Args:
            bundle: Data by MIME type.
            display_id: The output's id.
            update: Replace the output of that id.
        """
        publisher = self._publisher or getattr(shell(), "display_pub", None)
        if publisher is None:
            return
        here = getattr(publisher, "_hooks", ())
        lent = [hook for hook in self._hooks if hook not in here]
        for hook in lent:
            publisher.register_hook(hook)
        try:
            publisher.publish(data=bundle, metadata={}, transient={"display_id": display_id}, update=update)
        finally:
            for hook in lent:
                publisher.unregister_hook(hook)


def publish(bundle: dict[str, Any], display_id: str, *, update: bool = False, by: Publisher | None = None) -> None:
    """Sends a display bundle under a display id.

    Args:
        bundle: Data by MIME type.
        display_id: The output's id.
        update: Replace the output of that id.
        by: What sends it; the present publisher by default.
    """
    (by or Publisher()).publish(bundle, display_id, update=update)
