"""What the first cell will need, imported in a kernel while a person still types that cell."""

from __future__ import annotations

import asyncio
import logging
import sys
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
_TOLD_AFTER = 2.0  # seconds
_LOG = logging.getLogger("jupyter_latents")


class Ahead:
    """Imports in the background once the cell that loaded the extension has ended, and only while no cell runs.

    Where two threads import parts of one library at once, both imports break, and torch stays broken until the process
    ends. So no cell begins while a library is being imported, by this or by a run in the background, and nothing is
    imported ahead while a cell runs. A cell that comes early waits for one library; the others come after that cell, or
    with its run. In a terminal nothing is imported ahead.

    Args:
        shell: The IPython shell.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._events: Any = shell.events
        self._done = getattr(shell, "kernel", None) is None
        self._cells = 0  # that run now, one inside the other
        self._flag: StopFlag | None = None
        self._holds = True  # cells, until it is cancelled
        self._events.register("pre_execute", self._hold)
        self._events.register("post_execute", self._go_on)

    def cancel(self) -> None:
        """Imports nothing more, and holds no cell."""
        if self._holds:
            self._holds = False
            self._events.unregister("pre_execute", self._hold)
            self._events.unregister("post_execute", self._go_on)
        self._stop()

    def _stop(self) -> None:
        if self._flag is not None:
            self._flag.stop()
            self._flag = None

    def _hold(self) -> None:
        self._cells += 1
        self._stop()
        if "jupyter_latents.engine" in sys.modules:  # else nobody has begun to import
            from jupyter_latents.engine import await_imports

            await_imports(_TOLD_AFTER, print)

    def _go_on(self) -> None:
        self._cells = max(0, self._cells - 1)  # IPython tells of the end of an empty cell only
        if not self._done:
            try:
                asyncio.get_running_loop().call_soon(self._start)
            except RuntimeError:  # a kernel without such a loop
                self._start()

    def _start(self) -> None:
        """Begins, or goes on, where no cell runs: a kernel's loop gets here when the outermost has ended."""
        if not (self._cells or self._done or self._flag) and self._holds and SETTINGS.import_ahead:
            self._flag = flag = StopFlag()
            start_thread(lambda: self._import(flag), "jupyter_latents imports", flag.stop)

    def _import(self, flag: StopFlag) -> None:
        from jupyter_latents.engine import import_libraries
        from jupyter_latents.errors import StoppedError

        try:
            with heeding(flag):
                import_libraries(lambda _: None, *_FIRST_CELL, *([_WITH_SCIPY] if find_spec("scipy") else []))
        except StoppedError:  # a cell begins, or the process ends
            return
        except Exception:  # noqa: BLE001 - whatever a library raises; the first run meets it too, and tells of it
            _LOG.debug("importing ahead failed", exc_info=True)
        self._done = True
