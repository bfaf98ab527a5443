"""A sequence that options made stands for each of its latents: a stage that is given it runs once for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jupyter_latents.stage import Choice, Reference, Stage, Sweep

__all__ = ["Outlines", "choices_of", "spread", "spread_from"]


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


def spread(stages: Sequence[Stage], names: Mapping[str, Any]) -> tuple[Stage, ...]:
    """The stages of an invocation, those whose latents are a sequence once for each of its items.

    Args:
        stages: The stages.
        names: The kernel's variables.

    Returns:
        The stages in order; each names one item where it named the sequence.
    """
    made = [one for stage in stages for one in _items(stage, names)]
    if len(made) == len(stages):
        return tuple(made)
    choices = choices_of(made)
    return tuple(
        replace(stage, sweep=Sweep(number, len(made), choice))
        for number, (stage, choice) in enumerate(zip(made, choices, strict=True))
    )


def spread_from(stages: Sequence[Stage], names: Mapping[str, Any]) -> tuple[int, ...]:
    """For each stage that `spread` gives, which of an invocation's it was.

    Args:
        stages: See `spread`.
        names: See `spread`.
    """
    return tuple(number for number, stage in enumerate(stages) for _ in _items(stage, names))


def _items(stage: Stage, names: Mapping[str, Any]) -> list[Stage]:
    """A stage for each item of the sequence that its image seed names alone; the stage itself where it names none."""
    from jupyter_latents.latents.sequence import LatentsSequence

    seed = stage.image_seed
    if seed is None or len(seed.latents) != 1 or seed.latents[0].kind != "variable":
        return [stage]
    name = seed.latents[0].text
    several = names.get(name)
    if not isinstance(several, (LatentsSequence, Outlines)):
        return [stage]
    own = stage.sweep.choice if stage.sweep is not None else ()
    found = []
    for index in range(len(several)):
        one = replace(seed, latents=(Reference(f"{name}[{index}]", "variable"),))
        choice = (*own, *_brought(own, name, index, several.choices))
        sweep = Sweep(index, len(several), choice) if len(several) > 1 else stage.sweep
        found.append(replace(stage, image_seed=one, sweep=sweep))
    return found


def _brought(own: Choice, name: str, index: int, choices: Sequence[Choice]) -> Choice:
    """What tells an item of a sequence from the others, without a name that the stage's own options use."""
    if not any(choices):
        return ((name, index),)
    taken = {option for option, _ in own}
    return tuple((f"{option} of {name}" if option in taken else option, value) for option, value in choices[index])
