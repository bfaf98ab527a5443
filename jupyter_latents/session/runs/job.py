"""One invocation of a script while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_latents.session.runs.run import Made
from jupyter_latents.session.spreading import choices_of
from jupyter_latents.stage import Stage, label_of
from jupyter_latents.syntax import Invocation

if TYPE_CHECKING:
    from jupyter_latents.engine import StageResult
    from jupyter_latents.session.runs.side_by_side import SideBySide

__all__ = ["Job"]


@dataclass(slots=True)
class Job:
    """One invocation while it runs.

    Attributes:
        invocation: The invocation.
        numbers: Which of the invocation's stages each was, before those with several latents were spread.
        stages: Its stages as they run.
        script: The stages as the script says them.
        told: The stages for people.
        ready: What a batch made of stages yet to come.
        beside: Those of its stages that run at the same time, or None.
        made: What its stages made, in order.
        files: What they wrote.
        earlier: Of several refined pairs the second stages that ran before, whose results are bound with these.
        fps: Frames a second of the film whose frames its stages are; 0 where they are of none.
    """

    @property
    def films_alone(self) -> bool:
        """Whether its frames have no files of their own."""
        return bool(self.fps and self.invocation.first("no_frames"))

    invocation: Invocation
    numbers: tuple[int, ...] = ()
    stages: tuple[Stage, ...] = ()
    script: tuple[Stage, ...] = ()
    told: tuple[Stage, ...] = ()
    ready: dict[int, StageResult] = field(default_factory=dict)
    beside: SideBySide | None = None
    made: list[StageResult] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    earlier: Sequence[Job] = ()
    fps: float = 0.0

    @property
    def refines(self) -> bool:
        """Whether it is the second stage of one of several refined pairs."""
        sweep = self.told[0].sweep if self.told else None
        return sweep is not None and sweep.refines

    @property
    def bound(self) -> Made:
        """What its name stands for: with what the pairs before it made, where it is the second stage of one."""
        from jupyter_latents.latents.sequence import LatentsSequence

        if not self.refines:
            return self.latents(several=len(self.stages) > 1)
        told = [stage for job in (*self.earlier, self) for stage in job.told[: len(job.made)]]
        choices, made = choices_of(told), [result for job in (*self.earlier, self) for result in job.made]
        return LatentsSequence(tuple(one.latents for one in made), tuple(map(label_of, choices)), choices)

    def latents(self, *, several: bool) -> Made:
        """What it made: a labelled sequence where it has several stages."""
        from jupyter_latents.latents.sequence import LatentsSequence

        if several:
            choices = choices_of(self.told[: len(self.made)])
            labels = tuple(map(label_of, choices))
            return LatentsSequence(tuple(result.latents for result in self.made), labels, choices)
        return self.made[-1].latents

    @property
    def names(self) -> tuple[str, ...]:
        """What its stages are called in tables."""
        choices = choices_of(self.told)
        return tuple(
            label_of(choice) or stage.into or stage.model.name for choice, stage in zip(choices, self.told, strict=True)
        )

    @property
    def name_of_last(self) -> str:
        """Python that names what its last stage made; empty where that is bound to nothing, or to a ``$NAME``."""
        name = self.told[len(self.made) - 1].into or ""
        if not name.isidentifier():
            return ""
        before = sum(len(job.made) for job in self.earlier)
        several = self.refines or len(self.stages) > 1
        return f"{name}[{before + len(self.made) - 1}]" if several else name

    @property
    def is_whole(self) -> bool:
        """Whether all of its stages came to their end."""
        return len(self.made) == len(self.stages) and not self.made[-1].stopped

    def has_begun(self, place: int) -> bool:
        """Whether a stage has begun before its turn, with others."""
        return place in self.ready or (self.beside is not None and place in self.beside)
