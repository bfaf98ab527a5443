"""A prompt by steps: rows of text, and the weights inside each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from jupyter_latents.errors import SettingError

from .attention import WeightedText, attention
from .faults import fault
from .grammar import Node, Switch, Turns, read

__all__ = ["MOST_STEPS", "PromptRow", "last_step", "prompt_schedule"]

MOST_STEPS = 10_000
"""The longest schedule whose rows are told."""


class PromptRow(NamedTuple):
    """What a prompt says for some steps.

    Attributes:
        end_step: The last step for which it holds, 1 for the first step.
        text: The prompt with its switches and turns taken; weights and escapes stand in it as written.
        attention: The text in pieces of one weight each; ``("BREAK", -1)`` starts a new chunk.
    """

    end_step: int
    text: str
    attention: tuple[WeightedText, ...]


def prompt_schedule(prompt: str, steps: int) -> tuple[PromptRow, ...]:
    """A prompt by steps, in A1111's grammar.

    ``[a:b:0.5]`` and ``[a:b:12]`` switch, ``[a:0.5]`` adds, ``[a::0.5]`` takes away, ``[a|b]`` takes turns. A number
    with a point is a fraction of the steps, any other is a step. ``(x)`` weighs 1.1, ``[x]`` 1 / 1.1, ``(x:1.3)`` 1.3;
    a backslash makes a mark a letter. The word ``AND`` stays in the text: `prompt_parts` splits there.

    Args:
        prompt: The prompt, positive or negative.
        steps: Steps of the whole schedule, 1 to `MOST_STEPS`.

    Returns:
        Its rows in order; the last one ends at `steps`.

    Raises:
        SettingError: A number or weight that is none, or too large; too many brackets inside each other.
    """
    if not isinstance(prompt, str):
        raise SettingError(f"a prompt is a text, not {type(prompt).__name__}.")
    if type(steps) is not int or not 1 <= steps <= MOST_STEPS:
        raise SettingError(f"{steps!r} steps are not allowed; give a whole number of 1 to {MOST_STEPS}.")
    nodes = read(prompt)
    ends = {steps}
    switches = {id(node): min(steps, last_step(prompt, node, steps)) for node in _switches(nodes)}
    ends.update(step for step in switches.values() if step >= 1)
    if any(isinstance(node, Turns) for node in _all(nodes)):
        ends.update(range(1, steps + 1))
    found: dict[str, tuple[WeightedText, ...]] = {}
    rows = []
    for end in sorted(ends):
        text = "".join(_at(nodes, end, switches))
        if text not in found:
            found[text] = attention(text)
        rows.append(PromptRow(end, text, found[text]))
    return tuple(rows)


def _all(nodes: Iterable[Node]) -> Iterator[Switch | Turns]:
    for node in nodes:
        if isinstance(node, Switch):
            yield node
            yield from _all(node.before)
            yield from _all(node.after)
        elif isinstance(node, Turns):
            yield node
            for way in node.ways:
                yield from _all(way)


def _switches(nodes: Iterable[Node]) -> Iterator[Switch]:
    return (node for node in _all(nodes) if isinstance(node, Switch))


def last_step(prompt: str, node: Switch, steps: int) -> int:
    """The last step of what stands first in a switch; it may lie behind the last of the schedule, or before the first.

    Args:
        prompt: The prompt.
        node: The switch.
        steps: Steps of the whole schedule.

    Raises:
        SettingError: The number is none.
    """
    number = float(node.at) * (steps if "." in node.at else 1)
    if not math.isfinite(number):
        raise fault(prompt, node.start, len(node.at), "is no step; write a fraction with a point, or a whole step.")
    return int(number)


def _at(nodes: Sequence[Node], step: int, switches: dict[int, int]) -> Iterator[str]:
    """The texts that hold at a step."""
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif isinstance(node, Switch):
            yield from _at(node.before if step <= switches[id(node)] else node.after, step, switches)
        else:
            yield from _at(node.ways[(step - 1) % len(node.ways)], step, switches)
