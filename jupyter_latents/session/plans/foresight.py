"""Foresight: every stage of a script planned in turn, with what earlier stages will have made; no weights load.

It asks no network: what is not on this machine is judged at the run.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import JupyterLatentsError, ModelError
from jupyter_latents.session.animations import Frames, check_animated, frames_asked
from jupyter_latents.session.blame import blame, check_parts
from jupyter_latents.session.memory.answers import Answers
from jupyter_latents.session.outputs import check_writable, writes
from jupyter_latents.session.plans.later import Later, UnforeseenError
from jupyter_latents.session.plans.planning import Plan, PlannedStage
from jupyter_latents.session.plans.veils import hider, is_stand_in, rewrite
from jupyter_latents.session.spreading import Outlines, bound_with, choices_of, spread, spread_from
from jupyter_latents.session.together import alike, together, together_note
from jupyter_latents.stage import ModelSource, Stage
from jupyter_latents.syntax import Evaluation, Foreseen, Invocation, Promise, real

if TYPE_CHECKING:
    from jupyter_latents.engine import ModelCard
    from jupyter_latents.session.models import Models
    from jupyter_latents.session.names.resolve import Resolver

__all__ = ["Foresight", "counts"]

_SILENT = (".ckpt", ".pt", ".pth", ".bin")
"""Endings of weight files whose beginning does not say what is in them."""


class _Captured(Mapping[str, Any]):
    """What templates handed over; what is yet to be made is what the plan knows of it.

    Args:
        captured: Objects by the name that stands for them.
        outlines: What the plan knows, by the `id` of the promise.
    """

    def __init__(self, captured: Mapping[str, Any], outlines: Mapping[int, Any]) -> None:
        self._captured, self._outlines = captured, outlines

    def __getitem__(self, name: str) -> Any:
        value = self._captured[name]
        if not isinstance(value, Promise) or value.made:
            return real(value)
        return self._outlines.get(id(value), Later(f"judged at the run: it takes {value.reason}"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._captured)

    def __len__(self) -> int:
        return len(self._captured)


@dataclass
class Foresight:
    """Plans what an evaluation foresees.

    Args:
        evaluation: The script's; nothing of it has run.
        resolver: Looks names up, and fetches nothing.
        models: Says what they are, and asks their engine.
        kept: Tells what need not run; None to leave that out.
        guard: Raises where a stage may not bind its result.
    """

    evaluation: Evaluation
    resolver: Resolver
    models: Models
    kept: Answers | None = None
    guard: Callable[[Stage], None] = lambda _stage: None
    _bound: dict[str, Any] = field(default_factory=dict, init=False)
    _outlines: dict[int, Any] = field(default_factory=dict, init=False)
    _planned: list[PlannedStage] = field(default_factory=list, init=False)

    def plan(self) -> Plan:
        """Plans the script as far as it can be told.

        Raises:
            ScriptError: Something is wrong in it, and where.
            StoppedError: It was asked to stop.
        """
        self.evaluation.ahead()
        self.resolver = replace(
            self.resolver,
            kernel=ChainMap(self._bound, self.resolver.kernel),  # type: ignore[arg-type]
            captured=_Captured(self.evaluation.environment.captured, self._outlines),
        )
        for foreseen in self.evaluation.foreseen:
            self._invocation(foreseen)
        waiting = self.evaluation.waiting
        why = f"{waiting.message}; it is planned when that is there" if waiting is not None else ""
        return Plan(tuple(self._planned), tuple(self.evaluation.printed), why)

    def _invocation(self, foreseen: Foreseen) -> None:
        veiled, invocation = foreseen.invocation, foreseen.invocation.real()
        frames = frames_asked(invocation, self.resolver.fetch)
        stages = self._stages(invocation, frames)
        numbers = spread_from(invocation.stages(), self.resolver.kernel, frames.ranges)
        texts = stages if veiled.opens is None else self._stages(veiled, frames)
        made: list[Any] = []
        first = len(self._planned)
        for number, stage, text in zip(numbers, stages, texts, strict=True):
            self.evaluation.environment.check()
            hide = hider(text, self.evaluation.environment)
            planned, outline = self._stage(stage, hide, partial(check_animated, invocation))
            if planned.error is not None:
                planned.error.template = hide(planned.error.template)
                error = blame(invocation, planned.error, number)
                error.args = (error.message,)
            told = rewrite(text, self.evaluation.environment.shown)
            self._planned.append(replace(planned, stage=replace(told, seed=None) if planned.draws else told))
            made.append(outline)
        self._tell_batches(first, stages)
        self._promise(foreseen, made, stages)

    def _tell_batches(self, first: int, stages: Sequence[Stage]) -> None:
        """Tells of the stages of an invocation, which are planned from an index on, that several run as one batch."""
        done: set[int] = set()
        for index in range(len(stages)):
            planned = self._planned[first + index]
            if index in done or planned.course is None or planned.is_kept or not planned.course.shares:
                continue
            found = together(alike(stages, index), lambda number: not self._planned[first + number].is_kept)
            done.update(found)
            if found:
                course = replace(planned.course, notes=(*planned.course.notes, together_note(len(found))))
                self._planned[first + index] = replace(planned, course=course)

    def _stages(self, invocation: Invocation, frames: Frames) -> tuple[Stage, ...]:
        return spread(invocation.stages(), self.resolver.kernel, frames.ranges)

    def _stage(
        self, stage: Stage, hide: Callable[[str], str], animated: Callable[[ModelCard], None]
    ) -> tuple[PlannedStage, Any]:
        """A stage as it will run, and what the next stages will be given by it."""
        draws = is_stand_in(stage.seed)
        stage = replace(stage, seed=None) if draws else stage
        try:
            check_parts(stage)
            check_writable(stage)
            self.guard(stage)
            offline = replace(stage, model=replace(stage.model, offline=True))
            card = self._card(offline.model, stage.model.offline)
            animated(card)
            given = self.resolver.given(stage, card)
            course = self.models.engine.prepare(offline, given)
            if draws and stage.batch_seeds:  # with a seed it says whether it shares a batch
                seeded = self.models.engine.prepare(replace(offline, seed=0), given)
                course = replace(course, shares=seeded.shares, notes=seeded.notes, warnings=seeded.warnings)
            planned = PlannedStage(stage, replace(course, stage=stage), draws=draws or course.draws, hide=hide)
            if self.kept is not None:
                return self.kept.answers(planned, stage, self.resolver)
            return planned, course.outline
        except UnforeseenError as unforeseen:
            drawn = draws or (stage.seed is None and stage.image_seed is None)  # else latents may bring one
            return PlannedStage(stage, later=hide(str(unforeseen)), draws=drawn, hide=hide), None
        except JupyterLatentsError as error:
            return PlannedStage(stage, error=error, draws=draws, hide=hide), None

    def _card(self, offline: ModelSource, stays: bool) -> ModelCard:
        """A model as it is on this machine; the hub is not asked, and not at the run either where it stays offline."""
        try:
            return self.models.card(offline)
        except ModelError as error:
            if not error.unasked or stays:
                raise
            how = "fetched at the run, then judged"
            if offline.name.lower().endswith(_SILENT):
                how = "fetched whole at the run, then judged: nothing else says what it is"
            raise UnforeseenError(f"{offline.name} is {how}") from error

    def _promise(self, foreseen: Foreseen, made: Sequence[Any], stages: Sequence[Stage]) -> None:
        """Keeps what an invocation will make for those that take it."""
        place = foreseen.invocation.place
        whole: Any = made[-1] if len(made) == 1 else Outlines(made, choices_of(stages))
        if any(outline is None for outline in made):
            whole = Later(f"judged at the run: it takes what line {place.line if place else '?'} is yet to make")
        parts = made if len(made) == len(foreseen.images) and not isinstance(whole, Later) else [whole]
        for index, promise in enumerate(foreseen.images):
            self._outlines[id(promise)] = parts[index] if len(parts) == len(foreseen.images) else whole
        if foreseen.into is not None:
            earlier = self._bound.get(foreseen.into.name)
            self._bound[foreseen.into.name] = self._outlines[id(foreseen.into)] = bound_with(earlier, whole, stages)


def counts(names: Mapping[str, Any], fetch: Callable[[str], Path]) -> Callable[[Invocation], int | None]:
    """What says how many results each invocation of a script will make, asked in their order.

    None where only the run can tell: of several latents at once as many files are written.

    Args:
        names: The kernel's variables.
        fetch: An address to the file that is there.
    """
    bound: dict[str, Any] = {}

    def count(invocation: Invocation) -> int | None:
        try:
            frames = frames_asked(invocation, fetch)
        except JupyterLatentsError:
            return None  # said where the stages are planned
        stages = spread(invocation.stages(), ChainMap(bound, names), frames.ranges)  # type: ignore[arg-type]
        into = invocation.first("into")
        if into:
            whole = Outlines(stages, choices_of(stages)) if len(stages) > 1 else stages[0]
            bound[into] = bound_with(bound.get(into), whole, stages)
        several = invocation.first("animation_format") or any(map(_makes_several, stages))
        return None if several else len(stages)

    return count


def _makes_several(stage: Stage) -> bool:
    """Whether a stage may write several files."""
    seed = stage.image_seed
    given = 0 if seed is None else max(len(seed.images), len(seed.latents))
    return stage.batch_size > 1 or (writes(stage) and given > 1)
