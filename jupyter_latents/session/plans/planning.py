"""The plan of a script, as data: what each stage will do, or why that cannot be told or done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.points import largest_scale
from jupyter_latents.stage import ModelSource, Stage
from jupyter_latents.syntax import format_prompt
from jupyter_latents.wording import plain, readable, visible

if TYPE_CHECKING:
    from jupyter_latents.engine import Course, Outline, Span, StageWindow
    from jupyter_latents.latents.facts import Noise

__all__ = ["Plan", "PlannedStage"]

_HEADINGS = ("stage", "model", "steps", "noise", "evaluations", "weights", "hand-over")
_WINDOWS = 8
_LONG = 60
_DRAWN = "seed drawn at the run"


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """One stage of a plan.

    Attributes:
        stage: What is asked for, with ``$NAME`` in place of the environment's values.
        course: What it will do; None where it cannot run, or where only the run can tell.
        error: Why it cannot run, or None.
        saved: How many of its evaluations are kept from before and will not run.
        later: What is there only at the run, which then judges the stage; empty where the plan judges it.
        draws: Whether the run draws its seed.
        hide: Puts ``$NAME`` in place of the environment's values.
    """

    stage: Stage
    course: Course | None = field(default=None, repr=False)
    error: JupyterLatentsError | None = None
    saved: int = 0
    later: str = ""
    draws: bool = False
    hide: Callable[[str], str] = field(default=str, repr=False, compare=False)

    @property
    def model(self) -> ModelSource:
        """The model that will run, with the environment's values in its name; only for reading its files."""
        return self.course.stage.model if self.course is not None else self.stage.model

    @property
    def refused(self) -> str:
        """Why it cannot run, in words; empty when it can."""
        return self.error.message if self.error is not None else ""

    @property
    def where(self) -> str:
        """Line and column of what is to blame for that, as the run's own error names them; empty when it can."""
        place = self.error.place if self.error is not None else None
        return f" (line {place.line}, column {place.column})" if place is not None else ""

    @property
    def mode(self) -> str:
        """``txt2img``, ``img2img`` or ``inpaint``; empty where it cannot run."""
        return self.course.mode if self.course is not None else ""

    @property
    def span(self) -> Span | None:
        """The whole steps that run; None where it cannot."""
        return self.course.span if self.course is not None else None

    @property
    def start(self) -> Noise | None:
        """Noise level at the start."""
        return self.course.start if self.course is not None else None

    @property
    def end(self) -> Noise | None:
        """Noise level at the end."""
        return self.course.end if self.course is not None else None

    @property
    def evaluations(self) -> int:
        """Scheduler steps, those that are kept from before among them."""
        return self.course.span.evaluations if self.course is not None else 0

    @property
    def is_kept(self) -> bool:
        """Whether all of it is kept from before."""
        return self.course is not None and self.saved == self.evaluations

    @property
    def weights(self) -> int:
        """Bytes of the model's weights."""
        return self.course.weights if self.course is not None else 0

    @property
    def verdict(self) -> str:
        """How given latents enter, or empty."""
        return self.hide(self.course.verdict) if self.course is not None else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is converted, rounded or assumed."""
        notes = self.course.notes if self.course is not None else ()
        return (*map(self.hide, notes), *((_DRAWN,) if self.draws else ()))

    @property
    def outline(self) -> Outline | None:
        """What it will make."""
        return self.course.outline if self.course is not None else None


@dataclass(frozen=True)
class Plan:
    """A script's stages as they would run.

    Attributes:
        stages: The planned stages in order.
        printed: What the script printed on the way.
        waiting: Why the script is planned no further; empty where all of it is planned.
    """

    stages: tuple[PlannedStage, ...]
    printed: tuple[str, ...] = ()
    waiting: str = ""

    @property
    def model_evaluations(self) -> int:
        """Scheduler steps that will run."""
        return sum(stage.evaluations - stage.saved for stage in self.stages)

    @property
    def saved_evaluations(self) -> int:
        """Scheduler steps that will not run, because they are kept from before."""
        return sum(stage.saved for stage in self.stages)

    @property
    def refused(self) -> tuple[str, ...]:
        """Why stages cannot run; empty when all can."""
        return tuple(stage.refused for stage in self.stages if stage.refused)

    def rows(self) -> list[tuple[str, ...]]:
        """The table's cells as text, a row a stage, and one for each of its windows where it has several."""
        found = []
        for number, stage in enumerate(self.stages, 1):
            found += [_row(number, stage), *_window_rows(number, stage)]
        return [tuple(map(visible, row)) for row in found]

    @property
    def headings(self) -> tuple[str, ...]:
        """What the cells of a row are."""
        return _HEADINGS

    @property
    def summary(self) -> str:
        """The sum over all stages, as text."""
        largest = max((stage.weights for stage in self.stages), default=0)
        refused = f", {len(self.refused)} refused" if self.refused else ""
        later = sum(bool(stage.later) for stage in self.stages)
        judged = f", {later} judged at the run" if later else ""
        saved = f" ({self.saved_evaluations} more are kept from before)" if self.saved_evaluations else ""
        return (
            f"{len(self.stages)} {'stage' if len(self.stages) == 1 else 'stages'}, "
            f"{self.model_evaluations} model evaluations{saved}, "
            f"the largest model has {readable(largest)} of weights{refused}{judged}; nothing was run"
        )

    def __repr__(self) -> str:
        rows = [_HEADINGS, *self.rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*self.printed, *lines, *filter(None, [self.waiting]), self.summary])


def _row(number: int, planned: PlannedStage) -> tuple[str, ...]:
    stage = planned.stage
    name = f"{number} {stage.into}" if stage.into else str(number)
    if planned.later:
        return name, stage.model.name, "–", "–", "–", "–", planned.later
    if planned.course is None:
        return name, stage.model.name, "–", "–", "0", "–", f"refused: {planned.refused}{planned.where}"
    span = planned.course.span
    hand_over = "; ".join(filter(None, (planned.verdict, _passes(planned.course), *planned.notes)))
    return (
        name,
        f"{stage.model.name} ({planned.course.model.family}, {planned.mode})",
        f"{span.start}–{span.end} of {span.of}",
        f"{planned.start} → {planned.end}",
        f"{planned.evaluations - planned.saved} ({planned.saved} kept)" if planned.saved else str(planned.evaluations),
        readable(planned.weights),
        hand_over,
    )


def _passes(course: Course) -> str:
    """That no step takes a second pass of the denoiser at the guidance that is asked for; empty where one does."""
    count = course.span.evaluations
    if course.passes != count or largest_scale(course.stage.guidance_scale) > 1:
        return ""
    return f"{count} passes of the denoiser, one a step"


def _window_rows(number: int, planned: PlannedStage) -> list[tuple[str, ...]]:
    """A row for each window of a stage that is steered otherwise as it goes on."""
    course = planned.course
    if course is None or len(course.windows) < 2:
        return []
    rows: list[tuple[str, ...]] = []
    for place, window in enumerate(course.windows[:_WINDOWS], 1):
        evaluations = course.span.evaluations_to(window.end) - course.span.evaluations_to(window.start)
        rows.append(
            (
                f"{number}.{place}",
                planned.hide(_steering(window, course.windows)),
                f"{window.start}–{window.end} of {course.span.of}",
                f"{course.levels[window.start]} → {course.levels[window.end]}",
                str(evaluations),
                "",
                "",
            )
        )
    more = len(course.windows) - _WINDOWS
    return [*rows, (f"{number}.…", f"{more} more windows", "", "", "", "", "")] if more > 0 else rows


def _steering(window: StageWindow, windows: Sequence[StageWindow]) -> str:
    """What of a window is otherwise in another one."""
    said = []
    if any(other.prompt != window.prompt for other in windows):
        text = format_prompt(window.prompt)
        said.append(f"'{text if len(text) <= _LONG else text[:_LONG] + '…'}'")
    if any(other.stage.guidance_scale != window.stage.guidance_scale for other in windows):
        said.append(f"guidance {window.stage.guidance_scale:g}")
    for name in window.active:
        if any(other.active[name] != window.active[name] for other in windows):
            held = " ".join(address.name for address in getattr(window.stage.model, name))
            said.append(f"{plain(name)} {held}" if held else f"no {plain(name)}")
    return ", ".join(said)
