"""A stage that is steered otherwise as it goes on, as windows: the stages that one would write by hand."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any, TypeAlias

from jupyter_latents.engine.prompts.windows import PromptWindow, prompt_windows
from jupyter_latents.engine.schedule.window import Grid, Span
from jupyter_latents.errors import ModelError, WindowError
from jupyter_latents.points import point_of
from jupyter_latents.stage import Address, Prompt, Scales, Stage
from jupyter_latents.wording import option, plain

__all__ = ["Active", "StageWindow", "bare", "changed", "is_steered", "stage_windows", "steering_remarks", "windows_of"]

Active: TypeAlias = Mapping[str, tuple[int, ...]]
"""Field of the model source to the places of those of its addresses that hold."""

_TOLD = 5
_KEYS = ("start", "end")


@dataclass(frozen=True, slots=True)
class StageWindow:
    """Steps that are steered alike.

    Attributes:
        start: First step, 0 for the whole schedule.
        end: Step after the last one.
        stage: The stage to write by hand for them, its own window and inputs left aside.
        active: Which addresses of the fields hold that have windows.
    """

    start: int
    end: int
    stage: Stage
    active: Active = field(default_factory=lambda: MappingProxyType({}), compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.start, self.end, self.stage, dict(self.active))

    @property
    def prompt(self) -> Prompt:
        """Its texts."""
        return self.stage.prompt


@dataclass(frozen=True, slots=True)
class _Holding:
    """Steps for which an address holds.

    Attributes:
        start: First step.
        end: Step after the last one.
    """

    start: int
    end: int


def is_steered(stage: Stage) -> bool:
    """Whether something that steers a stage may change as it goes on."""
    windowed = any(_window_of(address) for _, addresses in _windowed(stage) for address in addresses)
    return stage.prompt.weighter is not None or isinstance(stage.guidance_scale, Scales) or windowed


def bare(stage: Stage) -> Stage:
    """A stage without what its windows say: its texts, its guidance, and when what is put on its model holds."""
    default = Stage(model=stage.model).guidance_scale
    held: dict[str, Any] = {name: tuple(map(_whole, addresses)) for name, addresses in _windowed(stage)}
    return replace(stage, model=replace(stage.model, **held), prompt=Prompt(), guidance_scale=default)


def windows_of(windows: tuple[StageWindow, ...], span: Span) -> tuple[StageWindow, ...]:
    """The windows that tile the steps that a stage runs.

    Args:
        windows: Those of the whole schedule.
        span: The steps.
    """
    return tuple(
        replace(one, start=max(one.start, span.start), end=min(one.end, span.end))
        for one in windows
        if one.start < span.end and one.end > span.start
    )


def stage_windows(stage: Stage, span: Span, grid: Grid) -> tuple[StageWindow, ...]:
    """The windows that tile steps of a stage; one where nothing changes.

    Args:
        stage: What is asked for; its prompts are checked.
        span: The steps, such as the whole schedule's.
        grid: What points are counted on; its fractions count steps.

    Raises:
        SettingError: A prompt cannot be read.
        WindowError: A point is outside the run, or nothing holds from there on.
        ModelError: The same of what is put on a model.
    """
    prompts, scales, held = prompt_windows(stage, span), _scale_steps(stage, grid), _holdings(stage, grid)
    edges = {span.start, span.end, *(one.start for one in prompts), *(step for step, _ in scales)}
    edges |= {edge for several in held.values() for one in several for edge in (one.start, one.end)}
    found: list[StageWindow] = []
    for start, end in pairwise(sorted(edge for edge in edges if span.start <= edge <= span.end)):
        now = _at(stage, start, end, (prompts, scales, held))
        if found and found[-1].stage == now.stage and found[-1].active == now.active:
            found[-1] = replace(found[-1], end=end)
        else:
            found.append(now)
    return tuple(found)


_Ways: TypeAlias = tuple[tuple[PromptWindow, ...], tuple[tuple[int, float], ...], Mapping[str, tuple[_Holding, ...]]]


def _at(stage: Stage, start: int, end: int, ways: _Ways) -> StageWindow:
    """The window that begins at a step."""
    prompts, scales, held = ways
    prompt = prompts[bisect_right([one.start for one in prompts], start) - 1].prompt
    changes: dict[str, Any] = {}
    if scales:
        changes["guidance_scale"] = scales[bisect_right([step for step, _ in scales], start) - 1][1]
    active = {
        name: tuple(place for place, one in enumerate(several) if one.start <= start < one.end)
        for name, several in held.items()
    }
    if active:
        parts: dict[str, Any] = {
            name: tuple(_whole(getattr(stage.model, name)[at]) for at in places) for name, places in active.items()
        }
        changes["model"] = replace(stage.model, **parts)
    own = replace(stage, prompt=prompt, **changes) if changes or prompt != stage.prompt else stage
    return StageWindow(start, end, own, MappingProxyType(active))


def _scale_steps(stage: Stage, grid: Grid) -> tuple[tuple[int, float], ...]:
    """The step from which each guidance scale holds; those that hold from the end on are left out."""
    if not isinstance(stage.guidance_scale, Scales):
        return ()
    steps = [(grid.step(point, "guidance_scales"), scale, point) for scale, point in stage.guidance_scale.parts]
    for (first, scale, point), (second, _, other) in pairwise(steps):
        if second <= first < grid.steps:
            raise WindowError(
                f"{option('guidance_scales')} {stage.guidance_scale}: {scale:g} holds for no step, for @{point:g} is "
                f"step {first} and @{other:g} step {second} of {grid.steps}. Leave one out.",
                option="guidance_scales",
            )
    return tuple((step, scale) for step, scale, _ in steps if step < grid.steps)


def _holdings(stage: Stage, grid: Grid) -> dict[str, tuple[_Holding, ...]]:
    """The steps for which each address of a field holds, for fields in which one does not always."""
    return {
        name: tuple(_holding(name, address, grid) for address in addresses)
        for name, addresses in _windowed(stage)
        if any(map(_window_of, addresses))
    }


def _holding(dest: str, address: Address, grid: Grid) -> _Holding:
    start, end = (point_of(address.get(key)) for key in _KEYS)
    try:
        found = _Holding(0 if start is None else grid.step(start), grid.step(end))
    except WindowError as error:
        raise ModelError(f"{option(dest)}: {address.name}: {error.template}", option=dest) from error
    if found.end <= found.start:
        raise ModelError(
            f"{option(dest)}: {address.name} holds for no step: {_said(address)} are steps {found.start} and "
            f"{found.end} of {grid.steps}. Use a wider window or more {option('inference_steps')}.",
            option=dest,
        )
    return found


def _said(address: Address) -> str:
    return " and ".join(f"{key}={address.get(key) or ('0', '1')[place]}" for place, key in enumerate(_KEYS))


def _window_of(address: Address) -> dict[str, str]:
    return {key: address.settings[key] for key in _KEYS if key in address.settings}


def _whole(address: Address) -> Address:
    """An address without its window."""
    rest = {key: value for key, value in address.settings.items() if key not in _KEYS}
    return Address(address.name, MappingProxyType(rest))


def _windowed(stage: Stage) -> Iterator[tuple[str, tuple[Address, ...]]]:
    """The fields of a stage's model whose addresses may have windows, with their values."""
    for row in fields(stage.model):
        if row.metadata.get("windows"):
            yield row.name, getattr(stage.model, row.name)


def steering_remarks(windows: tuple[StageWindow, ...]) -> tuple[str, ...]:
    """What is to be told of windows: what changes, and after which steps.

    Args:
        windows: The windows of a stage.
    """
    changes: dict[str, list[int]] = {}
    for one, other in pairwise(windows):
        for what in changed(one, other):
            changes.setdefault(what, []).append(other.start)
    return tuple(
        f"the {what} {'changes' if what in ('prompt', 'guidance') else 'change'} after step {_listed(starts)}"
        for what, starts in changes.items()
    )


def changed(one: StageWindow, other: StageWindow) -> tuple[str, ...]:
    """What is otherwise in a window than in another one, in words."""
    found = {"prompt": one.prompt != other.prompt, "guidance": one.stage.guidance_scale != other.stage.guidance_scale}
    found |= {plain(name): one.active[name] != places for name, places in other.active.items()}
    return tuple(name for name, differs in found.items() if differs)


def _listed(steps: list[int]) -> str:
    more = [f"… ({len(steps)} times)"] if len(steps) > _TOLD else []
    return ", ".join([*map(str, steps[:_TOLD]), *more])
