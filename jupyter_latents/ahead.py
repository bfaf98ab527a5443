"""What the first cell will need, imported in a kernel while a person still types that cell."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from jupyter_latents.settings import SETTINGS
from jupyter_latents.stopping import StopFlag, heeding
from jupyter_latents.threads import start_thread

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Ahead"]

_FIRST_CELL = (
    "jupyter_latents.display.view",
    "jupyter_latents.display.wiring",
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",  # with the text encoder of most models
)
_WITH_SCIPY = "diffusers.schedulers.scheduling_lms_discrete"


class Ahead:
    """Imports in the background once the cell that loaded the extension has ended.

    A cell that comes early waits for what is left of it. In a terminal nothing is imported ahead.

    Args:
        shell: The IPython shell.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._events: Any = shell.events
        self._waits = getattr(shell, "kernel", None) is not None
        if self._waits:
            self._events.register("post_run_cell", self._start)

    def cancel(self) -> None:
        """Imports nothing, where that has not begun."""
        if self._waits:
            self._waits = False
            self._events.unregister("post_run_cell", self._start)

    def _start(self, _result: Any) -> None:
        self.cancel()
        if SETTINGS.import_ahead:
            flag = StopFlag()
            start_thread(lambda: _import(flag), "jupyter_latents imports", flag.stop)


def _import(flag: StopFlag) -> None:
    from jupyter_latents.engine import import_libraries
    from jupyter_latents.errors import StoppedError

    try:
        with heeding(flag):
            import_libraries(lambda _: None, *_FIRST_CELL, *([_WITH_SCIPY] if find_spec("scipy") else []))
    except StoppedError:  # the process ends
        return
