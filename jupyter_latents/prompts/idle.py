"""The parts of a prompt that hold at no step of a schedule: what A1111's rule for brackets never paints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .grammar import Node, Switch, Turns, read
from .schedule import last_step

__all__ = ["IdlePart", "idle_parts"]


class IdlePart(NamedTuple):
    """A part that never holds.

    Attributes:
        text: The part as it is written.
        bracket: The brackets that it stands in.
        reason: Why, in words: ``which begins after step 40``.
    """

    text: str
    bracket: str
    reason: str


def idle_parts(prompt: str, steps: int) -> tuple[IdlePart, ...]:
    """The parts of a prompt that hold at no step, and the texts that are to be taken away and never are.

    What stands inside such a part is not named again; a part without text is none.

    Args:
        prompt: The prompt, or one of those that ``AND`` joins.
        steps: Steps of the whole schedule; a stage that runs some of them alone has the rest elsewhere.

    Raises:
        SettingError: A number that is none; too many brackets inside each other.
    """
    nodes = read(prompt)
    if all(isinstance(node, str) for node in nodes):
        return ()
    return tuple(dict.fromkeys(_within(prompt, nodes, range(1, steps + 1), steps)))


def _within(prompt: str, nodes: Sequence[Node], held: Sequence[int], steps: int) -> Iterator[IdlePart]:
    """Those in nodes that hold at some steps."""
    for node in nodes:
        if isinstance(node, Switch):
            yield from _of_switch(prompt, node, held, steps)
        elif isinstance(node, Turns):
            count = len(node.ways)
            for place, way in enumerate(node.ways):
                own = [step for step in held if (step - 1) % count == place]
                yield from _part(
                    prompt, node, (way, own, f"whose turns are the steps {place + 1}, {place + 1 + count} …"), steps
                )


def _of_switch(prompt: str, node: Switch, held: Sequence[int], steps: int) -> Iterator[IdlePart]:
    last = last_step(prompt, node, steps)
    before, after = [step for step in held if step <= last], [step for step in held if step > last]
    inside = len(held) < steps  # of another bracket, whose steps are not those of the run
    ends = f"which ends after step {max(0, last)}" + (", before its brackets hold" if inside else "")
    yield from _part(prompt, node, (node.before, before, ends), steps)
    begins = f"which begins after step {last}" + (
        ", when its brackets no longer hold" if inside and last < steps else ""
    )
    yield from _part(prompt, node, (node.after, after, begins), steps)
    if not after and last > steps and not _written(node.after).strip() and (text := _written(node.before).strip()):
        yield IdlePart(f"the end of {text}", _written([node]), f"which comes after step {last}")


def _part(prompt: str, node: Node, part: tuple[Sequence[Node], Sequence[int], str], steps: int) -> Iterator[IdlePart]:
    nodes, held, reason = part
    if held:
        yield from _within(prompt, nodes, held, steps)
    elif text := _written(nodes).strip():
        yield IdlePart(text, _written([node]), reason)


def _written(nodes: Sequence[Node]) -> str:
    """Nodes as they are written, but for spaces around numbers."""
    return "".join(map(_one, nodes))


def _one(node: Node) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, Turns):
        return f"[{'|'.join(map(_written, node.ways))}]"
    before = f"{_written(node.before)}:" if node.before else ""
    return f"[{before}{_written(node.after)}:{node.at}]"
