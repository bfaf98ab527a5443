"""Where the stages of a session run: in this process, on workers, or on an engine that it was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine import Phase, import_libraries, libraries_imported
from jupyter_latents.errors import SettingError
from jupyter_latents.settings import Settings, is_executor

if TYPE_CHECKING:
    from jupyter_latents.engine import Engine, WorkerRow
    from jupyter_latents.session.process import Process

__all__ = ["EnginePlace"]


class EnginePlace:
    """Where stages run.

    Args:
        process: Holds the engines of this process.
        settings: Say so where nobody else does, and how much memory models may take.
        given: The engine that the session was given, or None.
        executor: ``local``, ``ray`` or the address of a cluster's head; empty for what the settings say.
    """

    def __init__(self, process: Process, settings: Settings, given: Engine | None, executor: str = "") -> None:
        self._process, self._settings, self._given, self._executor = process, settings, given, executor
        self._own: Engine | None = None

    @property
    def name(self) -> str:
        """``local``, ``ray`` or the address of a cluster's head."""
        return self._executor or self._settings.executor

    @property
    def _on_workers(self) -> bool:
        return self._given is None and self.name != "local"

    @property
    def engine(self) -> Engine:
        """The engine; that of this process, which all sessions share, is made when first asked for (it loads torch)."""
        if self._given is not None:
            return self._given
        if self._on_workers:
            return self._process.workers(self.name, self._settings)
        if self._own is None:
            self._own = self._process.engine(self._settings)
        return self._own

    def at(self, executor: str) -> EnginePlace:
        """Another place for the same session.

        Args:
            executor: See `Session.run_on`.

        Raises:
            SettingError: See `Session.run_on`.
        """
        if not is_executor(executor):
            raise SettingError(
                f"the executor {executor!r} is none; give local, ray for workers on this machine, or the host:port of "
                "a Ray cluster's head."
            )
        if self._given is not None:
            raise SettingError("this session was given an engine of its own; it runs on that.")
        other = EnginePlace(self._process, self._settings, None, executor)
        other._own = self._own
        return other

    def workers(self) -> list[WorkerRow]:
        """What each worker does now; none where stages run in this process."""
        engine: Any = self.engine
        return engine.workers() if self._on_workers else []

    @property
    def imports(self) -> bool:
        """Whether the next run here has libraries to import, or one that goes on is importing them."""
        return self._given is None and self._own is None and not libraries_imported()

    def load(self, tell: Callable[[Phase], None]) -> None:
        """Imports what the engine needs, and starts workers, where this is to be done yet.

        Args:
            tell: Called before what takes its time.

        Raises:
            StoppedError: The run that this belongs to is to end.
            SettingError: The workers cannot be started.
        """
        if self._given is None and self._own is None:
            import_libraries(lambda what: tell(Phase("importing", subject=what)))
        if self._on_workers and not self._process.has_workers(self.name):
            tell(Phase("starting"))
            self._process.workers(self.name, self._settings)
