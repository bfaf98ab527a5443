"""The plan of a script: every stage planned in turn, with what earlier stages will have made; no weights load."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine.models.memory import readable
from jupyter_latents.errors import HandoffError, JupyterLatentsError
from jupyter_latents.session.blame import blame
from jupyter_latents.session.memo import continues
from jupyter_latents.session.spreading import Outlines, spread
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine.outline import Outline, Standing
    from jupyter_latents.engine.prepare import Prepared
    from jupyter_latents.engine.schedule.window import Span
    from jupyter_latents.latents.facts import Noise
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.session.memo import Memo
    from jupyter_latents.session.resolve import Resolver
    from jupyter_latents.syntax import Environment, Script

__all__ = ["Kept", "Plan", "PlannedStage", "Planner", "plan_script"]

_HEADINGS = ("stage", "model", "steps", "noise", "evaluations", "weights", "hand-over")


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """One stage of a plan.

    Attributes:
        stage: What is asked for.
        prepared: What it will do; None where it cannot run.
        error: Why it cannot run, or None.
        saved: How many of its evaluations are kept from before and will not run.
    """

    stage: Stage
    prepared: Prepared | None = None
    error: JupyterLatentsError | None = None
    saved: int = 0

    @property
    def refused(self) -> str:
        """Why it cannot run, in words; empty when it can."""
        return self.error.message if self.error is not None else ""

    @property
    def mode(self) -> str:
        """``txt2img``, ``img2img`` or ``inpaint``; empty where it cannot run."""
        return self.prepared.mode if self.prepared is not None else ""

    @property
    def span(self) -> Span | None:
        """The whole steps that run; None where it cannot."""
        return self.prepared.span if self.prepared is not None else None

    @property
    def start(self) -> Noise | None:
        """Noise level at the start."""
        return self.prepared.start if self.prepared is not None else None

    @property
    def end(self) -> Noise | None:
        """Noise level at the end."""
        return self.prepared.end if self.prepared is not None else None

    @property
    def evaluations(self) -> int:
        """Scheduler steps, those that are kept from before among them."""
        return self.prepared.span.evaluations if self.prepared is not None else 0

    @property
    def weights(self) -> int:
        """Bytes of the model's weights."""
        return self.prepared.weights if self.prepared is not None else 0

    @property
    def verdict(self) -> str:
        """How given latents enter, or empty."""
        return self.prepared.verdict if self.prepared is not None else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is converted, rounded or assumed."""
        return self.prepared.notes if self.prepared is not None else ()

    @property
    def outline(self) -> Outline | None:
        """What it will make."""
        return self.prepared.outline if self.prepared is not None else None


@dataclass(frozen=True)
class Plan:
    """A script's stages as they would run.

    Attributes:
        stages: The planned stages in order.
        printed: What the script printed on the way.
    """

    stages: tuple[PlannedStage, ...]
    printed: tuple[str, ...] = ()

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
        """The table's cells as text, a row a stage."""
        return [_row(number, stage) for number, stage in enumerate(self.stages, 1)]

    @property
    def headings(self) -> tuple[str, ...]:
        """What the cells of a row are."""
        return _HEADINGS

    @property
    def summary(self) -> str:
        """The sum over all stages, as text."""
        largest = max((stage.weights for stage in self.stages), default=0)
        refused = f", {len(self.refused)} refused" if self.refused else ""
        saved = f" ({self.saved_evaluations} more are kept from before)" if self.saved_evaluations else ""
        return (
            f"{len(self.stages)} {'stage' if len(self.stages) == 1 else 'stages'}, "
            f"{self.model_evaluations} model evaluations{saved}, "
            f"the largest model has {readable(largest)} of weights{refused}; nothing was run"
        )

    def __repr__(self) -> str:
        rows = [_HEADINGS, *self.rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*self.printed, *lines, self.summary])


@dataclass(frozen=True)
class Planner:
    """What a plan is made with.

    Attributes:
        environment: What the script sees.
        schedulers: Known scheduler names.
        resolver: Makes the look-up of names.
        names: The kernel's variables; not changed.
    """

    environment: Environment
    schedulers: list[str]
    resolver: Callable[[Environment, Mapping[str, Any]], Resolver]
    names: MutableMapping[str, Any]


class Kept:
    """Says which steps of a plan are kept from before, or will have been run by an earlier stage of it.

    Args:
        memo: What is remembered.
        force: Whether everything runs again.
    """

    def __init__(self, memo: Memo, *, force: bool = False) -> None:
        self._memo, self._force = memo, force
        self._planned: dict[str, int] = {}

    def answers(self, planned: PlannedStage, resolver: Resolver) -> tuple[PlannedStage, Latents | None]:
        """A planned stage with its saved steps, and the latents that it will give where they are kept.

        Args:
            planned: The stage, which can run.
            resolver: Looks up its inputs.
        """
        prepared, stage = planned.prepared, planned.stage
        if prepared is None or self._force:
            return planned, None
        span = prepared.span
        try:
            inputs = replace(resolver, decode=_undecoded).inputs(stage, prepared.facts)
        except JupyterLatentsError:
            return planned, None  # it begins with what an earlier stage is yet to make
        key, found = self._memo.foresee(stage, inputs, prepared.facts)
        if not key:
            return planned, None
        reached = found.latents.position.step if found is not None and found.latents.position is not None else 0
        known = max(span.start, min(span.end, max(reached, self._planned.get(key, 0))))
        if known < span.end and not continues(stage):
            known = span.start
        self._planned[key] = max(span.end, self._planned.get(key, 0))
        latents = found.latents if found is not None and reached == span.end else None
        return replace(planned, saved=span.index(known) - span.start_index), latents


def _undecoded(_latents: Latents, _stage: Stage) -> list[Image]:
    raise HandoffError("a plan decodes no latents.")


def plan_script(script: Script, planner: Planner, kept: Kept | None = None) -> Plan:
    """Plans a script.

    Args:
        script: The script, checked.
        planner: What it is planned with.
        kept: Tells what need not run; None to leave that out.
    """
    printed: list[str] = []
    environment = planner.environment
    environment.print = printed.append
    made: dict[str, Any] = {}
    environment.kernel = ChainMap(made, planner.names)
    planned: list[PlannedStage] = []
    for invocation in script.invocations(environment, schedulers=planner.schedulers):
        outlines: list[Any] = []
        asked = invocation.stages()
        stages, _ = spread(asked, [""] * len(asked), environment.kernel)
        resolver = planner.resolver(environment, environment.kernel)
        for stage in stages:
            result, outline = _foreseen(stage, resolver, kept)
            if result.error is not None:
                blame(invocation, result.error)
            planned.append(result)
            outlines.append(outline)
        made_here = [outline for outline in outlines if outline is not None]
        if stages[-1].into and made_here:
            made[stages[-1].into] = Outlines(made_here) if len(stages) > 1 else made_here[-1]
        environment.finished(
            [environment.capture(outline) for outline in made_here], [stage.prompt.positive for stage in stages]
        )
    return Plan(tuple(planned), tuple(printed))


def _foreseen(stage: Stage, resolver: Resolver, kept: Kept | None) -> tuple[PlannedStage, Standing | None]:
    """A stage as it will run, and what the next stages will be given by it."""
    from jupyter_latents.engine.models.describe import describe
    from jupyter_latents.engine.prepare import prepare

    try:
        facts = describe(stage.model)
        prepared = prepare(stage, resolver.given(stage, facts), facts)
        planned = PlannedStage(stage, prepared)
        if kept is None:
            return planned, prepared.outline
        planned, latents = kept.answers(planned, resolver)
        return planned, latents if latents is not None else prepared.outline
    except JupyterLatentsError as error:
        return PlannedStage(stage, error=error), None


def _row(number: int, planned: PlannedStage) -> tuple[str, ...]:
    stage = planned.stage
    name = f"{number} {stage.into}" if stage.into else str(number)
    if planned.prepared is None:
        return name, stage.model.name, "–", "–", "0", "–", f"refused: {planned.refused}"
    span = planned.prepared.span
    hand_over = "; ".join(filter(None, (planned.verdict, *planned.notes)))
    return (
        name,
        f"{stage.model.name} ({planned.prepared.facts.family.name}, {planned.mode})",
        f"{span.start}–{span.end} of {span.of}",
        f"{planned.start} → {planned.end}",
        f"{planned.evaluations - planned.saved} ({planned.saved} kept)" if planned.saved else str(planned.evaluations),
        readable(planned.weights),
        hand_over,
    )
