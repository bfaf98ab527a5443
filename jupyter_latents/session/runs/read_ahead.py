"""The next stage's model is read while the present stage runs, where memory allows."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jupyter_latents.stage import ModelSource
from jupyter_latents.stopping import StopFlag, heeding
from jupyter_latents.threads import start_thread

if TYPE_CHECKING:
    from jupyter_latents.engine import Engine, Reading

__all__ = ["ReadAhead"]


class ReadAhead:
    """Reads the models of a run's later stages, one ahead, in a thread of its own.

    Args:
        engine: Reads them.
        models: Those of all stages, in order, as far as they can be told.
        run: The run's flag; reading ends with it.
    """

    def __init__(self, engine: Engine, models: Sequence[ModelSource], run: StopFlag) -> None:
        self._engine, self._models = engine, tuple(models)
        self._begun: set[ModelSource] = set()
        self._flag = StopFlag()
        run.on_stop(self._flag.stop)
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
        self._thread = start_thread(lambda: self._read(following), "jupyter-latents-read-ahead", self._flag.stop)

    def end(self) -> None:
        """Ends reading at the next tensor, and waits for that."""
        self._flag.stop()
        if self._thread is not None:
            self._thread.join()

    def _read(self, model: ModelSource) -> None:
        def go_on(_reading: Reading) -> None:
            self._flag.check()

        with heeding(self._flag):
            try:
                self._engine.read_ahead(model, go_on)
            except (Exception, SystemExit, KeyboardInterrupt):  # noqa: BLE001
                return  # the stage itself will meet the same error, and tells it with its place
