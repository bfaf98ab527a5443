"""What a run told of one stage, kept plainly: no widgets, no torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_latents.errors import LatentsError
from jupyter_latents.points import rough_step
from jupyter_latents.session.runs.steps import own_sigma
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.display.pictures.channels import Channels
    from jupyter_latents.engine import Look, Span
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.facts import Noise
    from jupyter_latents.latents.value import Latents

__all__ = ["Point", "StageRecord", "own_sigma"]


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
        pictures: The result's decoded pictures; of clips a still each.
        clips: The result's decoded clips.
        denoising: Seconds of its steps so far.
        place: Which of several results of the same name this is, or None.
        kept: Whether its result was kept from before, so that its steps were not run now.
        changes: The steps of the whole schedule at which what steers it changes.
        over: Whether its run has ended.
        rebound: Whether a later stage has taken its name, so that nothing names its result any more.
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
    clips: list[Clip] = field(default_factory=list)
    denoising: float = 0.0
    place: int | None = None
    kept: bool = False
    changes: tuple[int, ...] = ()
    over: bool = False
    rebound: bool = False

    @classmethod
    def beginning(cls, stage: Stage, name: str) -> StageRecord:
        """That of a stage that begins now: what is known of its result before there is one.

        Args:
            stage: The stage.
            name: Variable that its result will be bound to, or empty.
        """
        return cls(stage, name, time.monotonic(), facts=_expected_facts(stage))

    @property
    def done(self) -> int:
        """Steps done."""
        return len(self.points)

    @property
    def steps(self) -> int:
        """Steps that it runs, an estimate until denoising begins."""
        if self.span is not None:
            return self.span.end - self.span.start
        count = self.stage.num_inference_steps
        return max(1, rough_step(self.stage.window.end, count, count) - self.start)

    @property
    def start(self) -> int:
        """First step, an estimate until denoising begins."""
        if self.span is not None:
            return self.span.start
        return rough_step(self.stage.window.start, self.stage.num_inference_steps, 0)

    @property
    def switches(self) -> list[int]:
        """Those of its own steps after which what steers it changes."""
        return [step for step in self.changes if self.start < step < self.start + self.steps]

    @property
    def of(self) -> int:
        """Steps of the full schedule."""
        return self.span.of if self.span is not None else self.stage.num_inference_steps

    @property
    def variable(self) -> str:
        """Python that names its result, such as ``base`` or ``several[1]``."""
        if self.rebound:
            return ""
        return self.name if self.place is None or not self.name else f"{self.name}[{self.place}]"

    @property
    def bare(self) -> bool:
        """Whether it is a picture that no latents are known of."""
        return self.kept and self.latents is None and bool(self.pictures)

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
        if self.rebound or not self.name.isidentifier():  # none, or one of the environment, which stays $NAME
            return "", ""
        stem = self.name if self.place is None else f"{self.name}{self.place}"
        return f"{stem}_{step}", f"{self.variable}.at(step={step})"

    def begin_steps(self, span: Span | None, level: Noise | None) -> None:
        """Denoising begins: these steps, from this level."""
        self.span = span or self.span
        if level is not None and not level.is_clean:
            self.first_sigma, self.form = level.own_sigma, level.form_shown

    def take_result(self, latents: Latents) -> None:
        """Its latents are there; nothing of the run that made them is held on to."""
        self.latents, self.facts = latents, latents.facts()
        self.let_go()

    def take_pictures(self, pictures: Sequence[Image | Clip]) -> None:
        """Its pictures are decoded."""
        from jupyter_latents.latents.clip import Clip, stills

        self.pictures, self.clips = stills(pictures), [one for one in pictures if isinstance(one, Clip)]

    @property
    def shown(self) -> Sequence[Image | Clip]:
        """Its clips where it has any, else its pictures."""
        return self.clips or self.pictures

    def let_go(self) -> None:
        """Its run has ended, and it holds on to that no more."""
        self.over = True
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


def _expected_facts(stage: Stage) -> dict[str, str]:
    """What is known of a result before there is one."""
    scheduler = f"{stage.scheduler.name}, " if stage.scheduler else ""
    rows = {"model": stage.model.name, "schedule": f"{scheduler}{stage.num_inference_steps} steps"}
    rows["prompt"] = stage.prompt.positive
    rows["negative prompt"] = stage.prompt.negative
    if stage.seed is not None:
        rows |= {"seed": str(stage.seed), "guidance": f"{stage.guidance_scale:g}"}
    return {name: text for name, text in rows.items() if text}
