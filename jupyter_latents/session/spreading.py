"""A sequence that options made stands for each of its latents: a stage that is given it runs once for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from jupyter_latents.stage import Choice, Reference, Stage, Sweep
from jupyter_latents.syntax import BEFORE

__all__ = ["Outlines", "bound_with", "choices_of", "spread", "spread_from"]

Frames: TypeAlias = Sequence[range | None]


class Outlines(list[Any]):
    """What several stages of a plan will make: the sequence that a run will bind, foreseen.

    Args:
        items: What each will make.
        choices: What the options took for each.
    """

    def __init__(self, items: Iterable[Any] = (), choices: Sequence[Choice] = ()) -> None:
        super().__init__(items)
        self.choices = tuple(choices)


def choices_of(stages: Iterable[Stage]) -> tuple[Choice, ...]:
    """What the options took for each of the stages of an invocation."""
    return tuple(stage.sweep.choice if stage.sweep is not None else () for stage in stages)


def bound_with(earlier: Any, made: Any, stages: Sequence[Stage]) -> Any:
    """What a name will stand for: of several refined pairs with what the second stages before this one will make.

    Args:
        earlier: What the name stood for before.
        made: What an invocation will make, `Outlines` where that is several.
        stages: Its stages.
    """
    sweep = stages[0].sweep
    if sweep is None or not sweep.refines:
        return made
    own = made if isinstance(made, Outlines) else Outlines([made], choices_of(stages))
    if sweep.pair == 0 or not isinstance(earlier, Outlines):
        return own
    return Outlines([*earlier, *own], (*earlier.choices, *own.choices))


def spread(stages: Sequence[Stage], names: Mapping[str, Any], frames: Frames = ()) -> tuple[Stage, ...]:
    """The stages of an invocation, those whose latents are a sequence once for each of its items.

    Args:
        stages: The stages.
        names: The kernel's variables.
        frames: For each stage the frames of a film that it runs for one by one, or None; empty for none.

    Returns:
        The stages in order; each names one item where it named the sequence, and one frame where it named a film.
    """
    made = [one for _, one in _numbered(stages, names, frames)]
    if len(made) == len(stages):
        return tuple(made)
    return tuple(
        replace(stage, sweep=replace(stage.sweep or Sweep(), number=number, of=len(made)))
        for number, stage in enumerate(made)
    )


def spread_from(stages: Sequence[Stage], names: Mapping[str, Any], frames: Frames = ()) -> tuple[int, ...]:
    """For each stage that `spread` gives, which of an invocation's it was.

    Args:
        stages: See `spread`.
        names: See `spread`.
        frames: See `spread`.
    """
    return tuple(number for number, _ in _numbered(stages, names, frames))


def _numbered(stages: Sequence[Stage], names: Mapping[str, Any], frames: Frames) -> Iterator[tuple[int, Stage]]:
    for number, stage in enumerate(stages):
        for item in _items(stage, names):
            for one in _by_frame(item, frames[number] if frames else None):
                yield number, one


def _by_frame(stage: Stage, frames: range | None) -> list[Stage]:
    """A stage for each frame of the films that its image seed names."""
    seed = stage.image_seed
    if seed is None or frames is None:
        return [stage]
    own = stage.sweep or Sweep()
    return [
        replace(
            stage,
            image_seed=replace(seed, frame_start=frame, frame_end=frame),
            sweep=replace(own, number=place, of=len(frames), choice=(*own.choice, ("frame", frame))),
        )
        for place, frame in enumerate(frames)
    ]


def _items(stage: Stage, names: Mapping[str, Any]) -> list[Stage]:
    """A stage for each item of the sequence that its image seed names alone; the stage itself where it names none.

    In the place of pictures only what a refiner goes on with is taken so: there a sequence is a batch.
    """
    from jupyter_latents.latents.sequence import LatentsSequence

    seed = stage.image_seed
    if seed is None:
        return [stage]
    edits = [one.text for one in seed.images] == [BEFORE]
    given = seed.images if edits else seed.latents
    if len(given) != 1 or given[0].kind != "variable":
        return [stage]
    name = given[0].text
    several = names.get(name)
    if not isinstance(several, (LatentsSequence, Outlines)):
        return [stage]
    own = stage.sweep or Sweep()
    found = []
    for index in range(len(several)):
        item = (Reference(f"{name}[{index}]", "variable"),)
        one = replace(seed, images=item) if edits else replace(seed, latents=item)
        choice = (*own.choice, *_brought(own.choice, name, index, several.choices))
        sweep = replace(own, number=index, of=len(several), choice=choice) if len(several) > 1 else stage.sweep
        found.append(replace(stage, image_seed=one, sweep=sweep))
    return found


def _brought(own: Choice, name: str, index: int, choices: Sequence[Choice]) -> Choice:
    """What tells an item of a sequence from the others, without a name that the stage's own options use.

    What the stage itself has taken alike, as the other one of its refined pair, is not said twice.
    """
    if not any(choices):
        return ((name, index),)
    taken = {option for option, _ in own}
    brought = (pair for pair in choices[index] if pair not in own)
    return tuple((f"{option} of {name}" if option in taken else option, value) for option, value in brought)
