"""What a run told, kept plainly: no widgets, no torch. Both the live view and the static output are made from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_latents.display.records.stage_record import Point, StageRecord
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import ItemEvent, Phase, Span, WorkerRow
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.facts import Noise
    from jupyter_latents.latents.value import Latents

__all__ = ["Note", "PhaseRecord", "QueuedRun", "RunRecord"]


@dataclass(slots=True)
class PhaseRecord:
    """A part of a run's time.

    Attributes:
        phase: Which, and what belongs to it.
        began: When, in seconds of the monotonic clock.
        held: Seconds for which the run had been paused before.
    """

    phase: Phase
    began: float
    held: float = 0.0

    @property
    def name(self) -> str:
        """The phase's name."""
        return self.phase.name


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """A run that waits.

    Attributes:
        title: What it is called.
        own: Whether it is the run of this view.
    """

    title: str
    own: bool


@dataclass(frozen=True, slots=True)
class Note:
    """A line that the run told; `warning` where it wants attention."""

    text: str
    warning: bool = False


_TENTHS = 10


@dataclass(slots=True)
class RunRecord:
    """A run.

    Attributes:
        stages: Its stages, in order of their beginning.
        planned: Stages that are known to come, all of them; empty when nobody said.
        phases: What it did when, over all stages.
        notes: The lines it told.
        began: When it began, in seconds of the monotonic clock.
        ended: When it ended, or None.
        state: ``queued``, ``running``, ``paused``, ``stopping``, ``stopped``, ``failed`` or ``done``.
        error: What ended it, as text.
        heading: What to call it, where it is not the names of its stages.
        held: Seconds for which it has been paused; they are no part of its speed.
        items: How far each of the stages is that run at the same time, by its place among the stages.
        workers: What each worker does, or did last.
        looks: The newest small picture of each of `items` that has one and whose result was not told yet, as JPEG.
        still: Whether it shows results alone, and tells of no run.
        queue: What waits for its turn after the run that goes on, in order.
        ahead: What that run is called, where it is another one and not paused.
        held_up: What that run is called, where it is another one and paused, so that nothing goes on.
        against: The stage that lies over the one that is looked at, or None.
    """

    stages: list[StageRecord] = field(default_factory=list)
    planned: tuple[Stage, ...] = ()
    phases: list[PhaseRecord] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    state: str = "running"
    error: str = ""
    heading: str = ""
    held: float = 0.0
    items: dict[int, ItemEvent] = field(default_factory=dict)
    workers: tuple[WorkerRow, ...] = ()
    looks: dict[int, bytes] = field(default_factory=dict)
    still: bool = False
    queue: tuple[QueuedRun, ...] = ()
    ahead: str = ""
    held_up: str = ""
    against: int | None = None

    @property
    def title(self) -> str:
        """The stages' names joined by arrows: ``base → final``."""
        if self.heading:
            return self.heading
        stages = [(record.name, record.stage) for record in self.stages]
        stages += [(stage.into or "", stage) for stage in self.planned[len(self.stages) :]]
        names: list[str] = []
        counts: dict[str, int] = {}
        for name, stage in stages:
            shown = name or stage.model.name
            if stage.sweep is None or stage.sweep.place == 0:  # of a sweep the status says how many pictures it has
                counts[shown] = counts.get(shown, 0) + 1
            if shown not in names:
                names.append(shown)
        if len(names) > 4:
            names = [*names[:2], "…", names[-1]]
        return " → ".join(f"{name} × {counts[name]}" if counts.get(name, 1) > 1 else name for name in names)

    @property
    def pictures(self) -> int:
        """How many pictures its sweep makes, or has made where it has ended; 0 where it has none."""
        sweeps = [record.stage.sweep for record in self.stages if record.stage.sweep is not None]
        if not sweeps:
            return 0
        made = [record.latents for record in self.stages if record.stage.sweep is not None and record.latents]
        clean = [latents for latents in made if latents.is_clean]  # those before them lead to them
        return len(clean or made) if self.ended is not None else sweeps[-1].count

    @property
    def swept(self) -> list[StageRecord]:
        """The stages of its last sweep; of refined pairs the second ones, as far as there are any."""
        found: dict[bool, list[StageRecord]] = {}
        for record in self.stages:
            sweep = record.stage.sweep
            if sweep is None:
                continue
            if sweep.place == 0:
                found = {**found, True: []} if sweep.refines else {False: []}
            found.setdefault(sweep.refines, []).append(record)
        return found.get(True) or found.get(False, [])

    def tenths(self, has: Callable[[Point], bool] = lambda _: True) -> list[Point]:
        """Of each tenth of its steps the last one that has something: what the film strip shows.

        Args:
            has: Whether a step has it; by itself each has.
        """
        points = [point for record in self.stages for point in record.points]
        found = {((at + 1) * _TENTHS - 1) // len(points): point for at, point in enumerate(points) if has(point)}
        return [*found.values()]

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return (self.ended or time.monotonic()) - self.began

    @property
    def steps_run(self) -> int:
        """Steps that were run now, over all stages."""
        return sum(record.done for record in self.stages if not record.kept)

    @property
    def speed(self) -> float:
        """Steps a second over the denoising of all stages; 0 when not known."""
        steps = self.steps_run
        seconds = sum(record.denoising for record in self.stages)
        return steps / seconds if seconds > 0 else 0.0

    def begin_stage(self, stage: Stage, name: str) -> StageRecord:
        """A stage begins."""
        record = StageRecord.beginning(stage, name)
        record.place = self._place(record)
        self.stages.append(record)
        return record

    def _place(self, record: StageRecord) -> int | None:
        """Which of several results of its name a stage's is; those that the name stood for before lose it."""
        sweep = record.stage.sweep
        goes_on = sweep is not None and (sweep.number > 0 or (sweep.refines and sweep.pair > 0))
        for earlier in self.stages if record.name and not goes_on else ():
            earlier.rebound = earlier.rebound or earlier.name == record.name
        if sweep is None:
            return None
        if sweep.refines:
            return sweep.place
        return sweep.number if sweep.of > 1 else None

    def begin_phase(self, phase: Phase) -> None:
        """A part of the time begins; denoising tells the stage's first level and its steps."""
        self.phases.append(PhaseRecord(phase, time.monotonic(), self.held))
        if phase.name == "denoising" and self.stages:
            self.stages[-1].begin_steps(phase.span, phase.noise)
            self.stages[-1].changes = phase.switches

    def add_step(self, point: Point, span: Span) -> None:
        """A step is done."""
        record = self.stages[-1]
        record.span = span
        record.points.append(point)
        phase = self.phases[-1] if self.phases and self.phases[-1].name == "denoising" else None
        began, held = (phase.began, phase.held) if phase is not None else (record.began, 0.0)
        record.denoising = time.monotonic() - began - (self.held - held)

    def add_note(self, text: str, *, warning: bool) -> None:
        """A line is told; the same line once."""
        note = Note(text, warning)
        if note not in self.notes:
            self.notes.append(note)

    def end(self, state: str, left: Latents | None) -> None:
        """The run has ended; nothing of it is held on to.

        Args:
            state: See `state`.
            left: What the last stage had made when it failed, or None.
        """
        self.ended, self.state = time.monotonic(), state
        self.looks.clear()
        if left is not None and self.stages and self.stages[-1].latents is None:
            self.stages[-1].take_result(left)
        for record in self.stages:
            record.let_go()

    def add_result(
        self,
        latents: Latents,
        pictures: Sequence[Image | Clip],
        start: Noise | None = None,
        span: Span | None = None,
        changes: tuple[int, ...] = (),
    ) -> None:
        """A stage has its result; one that was kept from before says by itself at which level and step it began."""
        record = self.stages[-1]
        record.changes = changes or record.changes
        record.take_result(latents)
        record.take_pictures(pictures)
        if not record.points:
            record.begin_steps(span, start)
            record.take_kept_steps()
