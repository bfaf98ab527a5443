"""The plan of a script: every stage planned in turn, with what earlier stages will have made; no weights load."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine.models.memory import readable
from jupyter_latents.errors import HandoffError, JupyterLatentsError
from jupyter_latents.session.blame import blame
from jupyter_latents.session.memo import continues
from jupyter_latents.session.spreading import Outlines, spread
from jupyter_latents.stage import ImageSeed, Reference, Stage

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine.plan import PlannedStage
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.session.memo import Memo
    from jupyter_latents.session.resolve import Resolver
    from jupyter_latents.syntax import Environment, Script

__all__ = ["Kept", "Plan", "Planner", "plan_script"]

_HEADINGS = ("stage", "model", "steps", "noise", "evaluations", "weights", "hand-over")


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
    """Tells which steps of a plan are kept from before, or will have been run by an earlier stage of it.

    Args:
        memo: What is remembered.
        force: Whether everything runs again.
    """

    def __init__(self, memo: Memo, *, force: bool = False) -> None:
        self._memo, self._force = memo, force
        self._planned: dict[str, int] = {}

    def told(self, planned: PlannedStage, resolver: Resolver) -> tuple[PlannedStage, Latents | None]:
        """A planned stage with its saved steps, and the latents that it will give where they are kept.

        Args:
            planned: The stage.
            resolver: Looks up its inputs.
        """
        from jupyter_latents.engine.models.describe import describe

        span, stage = planned.span, planned.stage
        if span is None or self._force:
            return planned, None
        facts = describe(stage.model)
        direct = stage.window.start is not None and facts.family.direct_latents
        try:
            inputs = replace(resolver, decode=_undecoded).inputs(stage, direct_latents=direct)
        except JupyterLatentsError:
            return planned, None  # it begins with what an earlier stage is yet to make
        key, found = self._memo.foresee(stage, inputs, facts)
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
    from jupyter_latents.engine.plan import plan

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
        for stage in stages:
            latents = None
            try:
                resolver = planner.resolver(environment, environment.kernel)
                result = plan(stage, *_inputs(stage, resolver))
                if kept is not None:
                    result, latents = kept.told(result, resolver)
            except JupyterLatentsError as error:
                result = _refused(stage, error)
            if result.error is not None:
                result = replace(result, refused=blame(invocation, result.error).message)
            planned.append(result)
            outlines.append(latents if latents is not None else result.outline)
        made_here = [outline for outline in outlines if outline is not None]
        if stages[-1].into and made_here:
            made[stages[-1].into] = Outlines(made_here) if len(stages) > 1 else made_here[-1]
        environment.finished(
            [environment.capture(outline) for outline in made_here], [stage.prompt.positive for stage in stages]
        )
    return Plan(tuple(planned), tuple(printed))


def _refused(stage: Stage, error: JupyterLatentsError) -> PlannedStage:
    from jupyter_latents.engine.plan import PlannedStage

    return PlannedStage(stage, refused=error.message, error=error)


def _inputs(stage: Stage, resolver: Resolver) -> tuple[str, Any, tuple[int, int] | None]:
    """Mode, latents to start from and size of the input picture."""
    from jupyter_latents.engine.models.describe import describe

    seed = stage.image_seed or ImageSeed()
    images = [resolver.value(reference) for reference in seed.images]
    latents = [_latents(resolver, reference) for reference in seed.latents]
    if stage.window.start is not None and describe(stage.model).family.direct_latents:
        latents += [_standing(resolver, value, "the image position") for value in images if _is_standing(value)]
        images = [value for value in images if not _is_standing(value)]
    mode = "inpaint" if seed.masks else "img2img" if images else "txt2img"
    size = (
        (seed.resize.width, seed.resize.height) if seed.resize else next(filter(None, map(_picture_size, images)), None)
    )
    return mode, latents[0] if latents else None, size


def _latents(resolver: Resolver, reference: Reference) -> Any:
    return _standing(resolver, resolver.value(reference), reference.text)


def _is_standing(value: Any) -> bool:
    return hasattr(value, "noise") or (
        isinstance(value, Path) and value.suffix in (".pt", ".pth", ".safetensors", ".latent")
    )


def _standing(resolver: Resolver, value: Any, text: str) -> Any:
    """Latents, or the outline of latents that an earlier stage will make."""
    if isinstance(value, list) and value:
        return _standing(resolver, value[0], text)
    return value if hasattr(value, "noise") else resolver.as_latents(value, text)[0]


def _picture_size(value: Any) -> tuple[int, int] | None:
    if hasattr(value, "noise"):
        factor = value.space.factor if value.space else 8
        return value.shape[3] * factor, value.shape[2] * factor
    size = getattr(value, "size", None)
    if isinstance(size, tuple) and len(size) == 2:
        return size
    if isinstance(value, Path) and not _is_standing(value):
        from PIL import Image

        try:
            with Image.open(value) as image:
                return image.size
        except OSError:
            return None  # no picture: the run says so, with its place
    return None


def _row(number: int, planned: PlannedStage) -> tuple[str, ...]:
    stage = planned.stage
    name = f"{number} {stage.into}" if stage.into else str(number)
    if planned.refused or planned.span is None:
        return name, stage.model.name, "–", "–", "0", "–", f"refused: {planned.refused}"
    span = planned.span
    hand_over = "; ".join(filter(None, (planned.verdict, *planned.notes)))
    return (
        name,
        f"{stage.model.name} ({planned.family}, {planned.mode})",
        f"{span.start}–{span.end} of {span.of}",
        f"{planned.start} → {planned.end}",
        f"{planned.evaluations - planned.saved} ({planned.saved} kept)" if planned.saved else str(planned.evaluations),
        readable(planned.weights),
        hand_over,
    )
