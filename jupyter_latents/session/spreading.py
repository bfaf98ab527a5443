"""A sequence that options made stands for each of its latents: a stage that is given it runs once for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jupyter_latents.stage import Reference, Stage
from jupyter_latents.syntax import Invocation

__all__ = ["Outlines", "labels_of", "spread", "spread_from"]


class Outlines(list[Any]):
    """What several stages of a plan will make: the sequence that a run will bind, foreseen."""


def spread(
    stages: Sequence[Stage], labels: Sequence[str], names: Mapping[str, Any]
) -> tuple[tuple[Stage, ...], tuple[str, ...]]:
    """The stages of an invocation, those whose latents are a sequence once for each of its items.

    Args:
        stages: The stages.
        labels: What tells each from the others.
        names: The kernel's variables.

    Returns:
        Stages and labels in order; each names one item where it named the sequence.
    """
    made: list[Stage] = []
    told: list[str] = []
    for stage, label in zip(stages, labels, strict=True):
        items = _items(stage, names)
        made.extend(item for item, _ in items)
        told.extend(", ".join(filter(None, (label, own))) for _, own in items)
    return tuple(made), tuple(told)


def spread_from(stages: Sequence[Stage], names: Mapping[str, Any]) -> tuple[int, ...]:
    """For each stage that `spread` gives, which of an invocation's it was.

    Args:
        stages: See `spread`.
        names: See `spread`.
    """
    return tuple(number for number, stage in enumerate(stages) for _ in _items(stage, names))


def labels_of(invocation: Invocation) -> tuple[str, ...]:
    """What tells the stages of an invocation apart: the options that have several values, long prompts last."""
    choices = list(invocation.choices())
    telling = [
        dest for dest in (choices[0] if choices else {}) if len({repr(choice.get(dest)) for choice in choices}) > 1
    ]
    telling.sort(key=lambda dest: "prompts" in dest)
    return tuple(", ".join(f"{dest.replace('_', ' ')} {choice[dest]}" for dest in telling) for choice in choices)


def _items(stage: Stage, names: Mapping[str, Any]) -> list[tuple[Stage, str]]:
    """A stage for each item of the sequence that its image seed names alone; the stage itself where it names none."""
    from jupyter_latents.latents.sequence import LatentsSequence

    seed = stage.image_seed
    if seed is None or len(seed.latents) != 1 or seed.latents[0].kind != "variable":
        return [(stage, "")]
    name = seed.latents[0].text
    several = names.get(name)
    if not isinstance(several, (LatentsSequence, Outlines)):
        return [(stage, "")]
    found = []
    for index in range(len(several)):
        one = replace(seed, latents=(Reference(f"{name}[{index}]", "variable"),))
        label = several.label(index) if isinstance(several, LatentsSequence) else str(index)
        found.append((replace(stage, image_seed=one), label))
    return found
