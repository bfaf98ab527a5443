"""What the sessions of one process share: the engine with its models, and the queue in which their runs wait."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from jupyter_latents.engine import local_engine
from jupyter_latents.session.names.model_names import ModelNames
from jupyter_latents.session.runs.executor import LocalExecutor
from jupyter_latents.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from jupyter_latents.cluster.engine import RayEngine
    from jupyter_latents.engine import Engine, LocalEngine, WideEngine

__all__ = ["PROCESS", "Process"]


class Process:
    """The engine of a process and its queue, and a queue for each engine that somebody gives to a session.

    Attributes:
        queue: Runs of all sessions on the engine of the process, one at a time.
        model_names: What models are called that the environment names.
    """

    def __init__(self) -> None:
        self.queue, self.model_names = LocalExecutor(), ModelNames()
        self._engine: LocalEngine | None = None
        self._clusters: dict[str, RayEngine] = {}
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

    def workers(self, executor: str, settings: Settings) -> WideEngine:
        """The engine of workers; they are started when first asked for. A process has those of one place at a time.

        Args:
            executor: ``ray``, or the address of a cluster's head.
            settings: Say how much memory the models of each worker may take.

        Raises:
            SettingError: They cannot be started or reached.
        """
        from jupyter_latents.cluster import ray_engine

        with self._making:
            found = self._clusters.get(executor)
            if found is None or found.closed:
                for other in self._clusters.values():
                    other.end()
                self._clusters.clear()
                found = self._clusters[executor] = ray_engine(None if executor == "ray" else executor, settings)
            return found

    def has_workers(self, executor: str) -> bool:
        """Whether the workers of a place are there already."""
        found = self._clusters.get(executor)
        return found is not None and not found.closed

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
