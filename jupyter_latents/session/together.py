"""Which stages of an invocation run as one batch, where a script asks for it: those that differ in the seed alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile

from jupyter_latents.stage import Stage

__all__ = ["alike", "together", "together_note"]


def alike(stages: Sequence[Stage], first: int) -> list[int]:
    """Indices of a stage and of those right behind it that differ from it in the seed alone; of it alone unasked.

    Args:
        stages: The stages of an invocation.
        first: Index of the stage.
    """
    stage, behind = stages[first], range(first + 1, len(stages))
    if not stage.batch_seeds:
        return [first]
    return [first, *takewhile(lambda index: replace(stages[index], seed=stage.seed) == stage, behind)]


def together(indices: Sequence[int], fresh: Callable[[int], bool]) -> list[int]:
    """Those that run as one batch; none where no other runs with the first of them.

    Args:
        indices: See `alike`.
        fresh: Whether a stage runs: no kept result answers it, and no other of these will.
    """
    if len(indices) < 2 or not fresh(indices[0]):
        return []
    found = [indices[0], *filter(fresh, indices[1:])]
    return found if len(found) > 1 else []


def together_note(count: int) -> str:
    """What is to be told of so many seeds in one batch."""
    return f"{count} seeds run as one batch: their last bits may differ from single runs"
