"""What a run told, kept plainly: no widgets, no torch. Both the live view and the static output are made from it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_latents.errors import LatentsError
from jupyter_latents.session.steps import own_sigma
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.display.channels import Channels
    from jupyter_latents.engine import Look, Phase, Span
    from jupyter_latents.latents.facts import Noise
    from jupyter_latents.latents.value import Latents

__all__ = ["Note", "PhaseRecord", "Point", "RunRecord", "StageRecord", "own_sigma"]


@dataclass(slots=True, eq=False)
class Point:
    """One step of one stage.

    Attributes:
        step: Whole steps done, of the full schedule.
        sigma: Noise level after it.
        noise: The level as text, such as ``σ 0.74 (VE)``.
        frame: The preview as JPEG, or None where none was made.
        channels: The latents' channels, or None.
        look: Gives the step's latents while its stage goes on.
    """

    step: int
    sigma: float
    noise: str = ""
    frame: bytes | None = None
    channels: Channels | None = None
    look: Look | None = None


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
class Note:
    """A line that the run told; `warning` where it wants attention."""

    text: str
    warning: bool = False


@dataclass(slots=True)
class StageRecord:
    """One stage.

    Attributes:
        stage: What it was asked to do.
        name: Variable that its result is bound to, or empty.
        began: When, in seconds of the monotonic clock.
        span: The steps it runs; None until denoising begins.
        first_sigma: Noise level it starts from, None when not told.
        form: The noise's form as it is shown, ``VE`` or the like, or empty.
        points: The steps done, in order.
        facts: The result's facts, else what is known before.
        latents: The result.
        pictures: The result's decoded pictures.
        denoising: Seconds of its steps so far.
        place: Which of several results of the same name this is, or None.
        kept: Whether its result was kept from before, so that its steps were not run now.
    """

    stage: Stage
    name: str
    began: float
    span: Span | None = None
    first_sigma: float | None = None
    form: str = ""
    points: list[Point] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    latents: Latents | None = None
    pictures: list[Image] = field(default_factory=list)
    denoising: float = 0.0
    place: int | None = None
    kept: bool = False

    @property
    def done(self) -> int:
        """Steps done."""
        return len(self.points)

    @property
    def steps(self) -> int:
        """Steps that it runs, an estimate until denoising begins."""
        if self.span is not None:
            return self.span.end - self.span.start
        window, count = self.stage.window, self.stage.num_inference_steps
        end = count if window.end is None else int(window.end * count + 1e-6)
        return max(1, end - int((window.start or 0.0) * count + 1e-6))

    @property
    def start(self) -> int:
        """First step, an estimate until denoising begins."""
        if self.span is not None:
            return self.span.start
        return int((self.stage.window.start or 0.0) * self.stage.num_inference_steps + 1e-6)

    @property
    def of(self) -> int:
        """Steps of the full schedule."""
        return self.span.of if self.span is not None else self.stage.num_inference_steps

    @property
    def variable(self) -> str:
        """Python that names its result, such as ``base`` or ``several[1]``."""
        return self.name if self.place is None or not self.name else f"{self.name}[{self.place}]"

    def latents_at(self, point: Point) -> Latents:
        """The latents of one of its steps.

        Raises:
            LatentsError: They are not kept.
        """
        if self.latents is not None:
            return self.latents.at(step=point.step) if self.latents.trajectory else self.latents
        if point.look is not None:
            return point.look.latents(point.step)
        raise LatentsError("the latents of this step are not kept: its stage left none.")

    def branch(self, step: int) -> tuple[str, str]:
        """The name and the expression that branch at a step, such as ``base_12`` and ``base.at(step=12)``."""
        if not self.name:
            return "", ""
        stem = self.name if self.place is None else f"{self.name}{self.place}"
        return f"{stem}_{step}", f"{self.variable}.at(step={step})"

    def begin_steps(self, span: Span | None, level: Noise | None) -> None:
        """Denoising begins: these steps, from this level."""
        self.span = span or self.span
        if level is not None and not level.is_clean:
            self.first_sigma, self.form = own_sigma(level), level.form if level.form == "flow" else level.form.upper()

    def take_result(self, latents: Latents) -> None:
        """Its latents are there; nothing of the run that made them is held on to."""
        self.latents, self.facts = latents, latents.facts()
        self.let_go()

    def let_go(self) -> None:
        """Holds on to no run any more."""
        for point in self.points:
            point.look = None

    def take_kept_steps(self) -> None:
        """Takes the steps of a result that was kept from before; those of the stage's own window."""
        if self.latents is None:
            return
        self.kept = True
        for latents in self.latents.trajectory or (self.latents,):
            if latents.position is not None and latents.position.step > self.start:
                level = latents.noise
                self.points.append(Point(latents.position.step, own_sigma(level), str(level or "")))


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
            counts[shown] = counts.get(shown, 0) + 1
            if shown not in names:
                names.append(shown)
        if len(names) > 4:
            names = [*names[:2], "…", names[-1]]
        return " → ".join(f"{name} × {counts[name]}" if counts.get(name, 1) > 1 else name for name in names)

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
        record = StageRecord(stage, name, time.monotonic(), facts=_expected_facts(stage))
        same = [earlier for earlier in self.stages if name and earlier.name == name]
        if same:
            for place, earlier in enumerate([*same, record]):
                earlier.place = place
        self.stages.append(record)
        return record

    def begin_phase(self, phase: Phase) -> None:
        """A part of the time begins; denoising tells the stage's first level and its steps."""
        self.phases.append(PhaseRecord(phase, time.monotonic(), self.held))
        if phase.name == "denoising" and self.stages:
            self.stages[-1].begin_steps(phase.span, phase.noise)

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
        if left is not None and self.stages and self.stages[-1].latents is None:
            self.stages[-1].take_result(left)
        for record in self.stages:
            record.let_go()

    def add_result(self, latents: Latents, pictures: Sequence[Image], start: Noise | None = None) -> None:
        """A stage has its result; one that was kept from before says by itself at which level it began."""
        record = self.stages[-1]
        record.take_result(latents)
        record.pictures = list(pictures)
        if not record.points:
            record.begin_steps(None, start)
            record.take_kept_steps()


def _expected_facts(stage: Stage) -> dict[str, str]:
    """What is known of a result before there is one."""
    scheduler = f"{stage.scheduler.name}, " if stage.scheduler else ""
    rows = {"model": stage.model.name, "schedule": f"{scheduler}{stage.num_inference_steps} steps"}
    rows["prompt"] = stage.prompt.positive
    rows["negative prompt"] = stage.prompt.negative
    if stage.seed is not None:
        rows["seed"] = f"{stage.seed}   guidance {stage.guidance_scale:g}"
    return {name: text for name, text in rows.items() if text}
