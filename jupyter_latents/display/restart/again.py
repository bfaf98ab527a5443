"""What a run that ended before its time can be followed by, where its kernel lives: its task again, or its rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.records.ways import Way, ways
from jupyter_latents.display.restart.port import Port
from jupyter_latents.session import Task
from jupyter_latents.session.names.variables import latents_in
from jupyter_latents.syntax.script import Script

if TYPE_CHECKING:
    from jupyter_latents.display.records.run_record import RunRecord
    from jupyter_latents.session import Session

__all__ = ["Restart"]


@dataclass(frozen=True, slots=True)
class Restart:
    """Makes the tasks that the buttons under a run start.

    Attributes:
        session: Where they run.
        task: What ran.
        settings: Arguments of the `RunView` that shows them.
        start: Starts a task where results have a place of their own; None to have the page make one.
    """

    session: Session
    task: Task
    settings: Mapping[str, Any] = field(default_factory=dict)
    start: Callable[[Task, Restart], object] | None = None

    def offer(self, record: RunRecord, key: str) -> None:
        """Tells the pages of the kernel what can be done, in place of what they were told of before.

        Args:
            record: The run, ended.
            key: Tells its output from others; empty where there is none to stand beside.
        """
        if key and ways(record):
            Port.open(self, record, key)

    def possible(self, record: RunRecord) -> tuple[Way, ...]:
        """What can be done now: to go on, the variable must still hold what the run left in it.

        Args:
            record: The run, ended.
        """
        return tuple(way for way in ways(record) if way.kind == "again" or self._cell(record, way.variable))

    def cell(self, record: RunRecord, way: Way) -> str:
        """The cell that does it, without its ``%%dgen`` line; empty where nothing leads on any more.

        Args:
            record: The run, ended.
            way: One of `possible`.
        """
        return self.task.script.text if way.kind == "again" else self._cell(record, way.variable)

    def task_of(self, record: RunRecord, way: Way) -> Task:
        """The task that does it. What is kept from before answers, though the run was asked to begin anew.

        Args:
            record: The run, ended.
            way: One of `possible`.
        """
        same = replace(self.task, force=False)
        return same if way.kind == "again" else Task(Script(self.cell(record, way)), verbose=same.verbose)

    def _cell(self, record: RunRecord, variable: str) -> str:
        """The cell that goes on from a variable; empty where it holds something else by now, or nobody knows how."""
        latents = record.stages[-1].latents
        held = latents_in(self.session.names).get(variable)
        if latents is None or held is None or held.digest != latents.digest:
            return ""
        found = (one for one in self.session.results.newest() if one.digest == latents.digest)
        one = next(found, None)
        if one is None:
            return ""
        into = _free(f"{record.stages[-1].name}_rest", self.session.names)
        return self.session.cell_onward(one, variable, into).partition("\n")[2]


def _free(name: str, names: Collection[str]) -> str:
    """A name that nothing has, so that no variable is overwritten."""
    numbered = (f"{name}_{number}" for number in count(2))
    return next(one for one in chain((name,), numbered) if one not in names)
