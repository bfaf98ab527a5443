"""The next stage's model is read while the present stage runs, where memory allows."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jupyter_latents.errors import ModelError, StoppedError
from jupyter_latents.stage import ModelSource

if TYPE_CHECKING:
    from jupyter_latents.engine import Engine, Reading

__all__ = ["ReadAhead"]


class ReadAhead:
    """Reads the models of a run's later stages, one ahead, in a thread of its own.

    Args:
        engine: Reads them.
        models: Those of all stages, in order, as far as they can be told.
        stopped: Whether the run is to end; reading ends then too.
    """

    def __init__(self, engine: Engine, models: Sequence[ModelSource], stopped: Callable[[], bool]) -> None:
        self._engine, self._models, self._stopped = engine, tuple(models), stopped
        self._begun: set[ModelSource] = set()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def stepped(self, index: int, model: ModelSource) -> None:
        """A stage has done a step: the model after it may be read, once.

        Args:
            index: The stage's place in the run.
            model: Its model.
        """
        self._begun.add(model)
        following = self._models[index + 1] if index + 1 < len(self._models) else model
        if following in self._begun:
            return
        self._begun.add(following)
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._read, following), name="jupyter-latents-read-ahead", daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        """Ends reading at the next part of a model, and waits for that."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _read(self, model: ModelSource) -> None:
        def tell(_reading: Reading) -> None:
            if self._ended.is_set() or self._stopped():
                raise StoppedError("reading ahead ended with its run.")

        try:
            self._engine.read_ahead(model, tell)
        except (ModelError, StoppedError):
            return  # the stage itself will meet the same error, and tells it with its place
