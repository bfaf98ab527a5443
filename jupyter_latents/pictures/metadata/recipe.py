"""How a picture was made, as stages and what is done between them: what a cell is written from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from jupyter_latents.stage import Stage

__all__ = ["Operation", "Recipe", "StagePart", "fill_in"]


@dataclass(frozen=True, slots=True)
class StagePart:
    """A stage.

    Attributes:
        stage: The stage; its texts may be anybody's.
        remarks: What is to be filled in, and what is not covered: a comment each.
        more: Further stages that the same lines make, by options with several values.
    """

    stage: Stage
    remarks: tuple[str, ...] = ()
    more: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """Something done to latents between stages.

    Attributes:
        name: What the result is called; a later stage names it as a variable.
        expression: What makes it, made of names and numbers that were checked.
        remarks: See `StagePart`.
    """

    name: str
    expression: str
    remarks: tuple[str, ...] = ()


Part: TypeAlias = StagePart | Operation


@dataclass(frozen=True, slots=True)
class Recipe:
    """A picture's making.

    Attributes:
        program: Who made it, in words.
        parts: What is done, in order.
        remarks: What holds for all of it, a comment each.
    """

    program: str
    parts: tuple[Part, ...]
    remarks: tuple[str, ...] = ()


def fill_in(what: str, why: str) -> str:
    """A remark that something is to be filled in.

    Args:
        what: What stands in the cell.
        why: What it was, or what is wanted there.
    """
    return f"fill in {what}: {why}"
