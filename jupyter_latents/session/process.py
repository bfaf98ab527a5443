"""What the sessions of one process share: the engine with its models, and the queue in which their runs wait."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from jupyter_latents.engine import local_engine
from jupyter_latents.session.executor import LocalExecutor
from jupyter_latents.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from jupyter_latents.engine import Engine, LocalEngine

__all__ = ["PROCESS", "Process"]


class Process:
    """The engine of a process and its queue, and a queue for each engine that somebody gives to a session.

    Attributes:
        queue: Runs of all sessions on the engine of the process, one at a time.
    """

    def __init__(self) -> None:
        self.queue = LocalExecutor()
        self._engine: LocalEngine | None = None
        self._making = threading.Lock()
        self._queues: weakref.WeakValueDictionary[int, LocalExecutor] = weakref.WeakValueDictionary()

    def engine(self, settings: Settings) -> Engine:
        """The engine of this process; it is made when first asked for, which loads torch.

        Args:
            settings: Those of a session: the smallest budget of all sessions holds for the models.
        """
        with self._making:
            if self._engine is None:
                self._engine = local_engine(SETTINGS)
            self._engine.heed(settings)
            return self._engine

    def queue_of(self, engine: Engine | None) -> LocalExecutor:
        """The queue of all sessions on an engine.

        Args:
            engine: The one that a session was given; None for that of the process.
        """
        if engine is None or engine is self._engine:
            return self.queue
        return self._queues.setdefault(id(engine), LocalExecutor())


PROCESS = Process()
"""That of this Python process."""
