"""Where latents come from: a stage, an operation on others, or somewhere else; frozen values without a tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from jupyter_latents.stage import Reference, Stage

__all__ = ["Brought", "Derived", "Elsewhere", "FromStage", "Going", "Source", "all_before", "depth_of"]


@dataclass(frozen=True, slots=True)
class Brought:
    """Something that went into a stage and no stage made: a file, or a variable's picture.

    Attributes:
        reference: What the cell calls it.
        digest: Tells it from others; empty where it has no bytes of its own.
        wanted: What is to be filled in; empty where the name alone finds it.
    """

    reference: Reference
    digest: str
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Latents that no stage of this session made.

    Attributes:
        digest: Tells them from others.
        what: What they say of themselves.
    """

    digest: str
    what: str


@dataclass(frozen=True, slots=True, eq=False)
class Derived:
    """What an operation made of latents.

    Attributes:
        expression: What makes it, with ``{0}``, ``{1}`` for the latents; empty where a cell cannot say it.
        operation: The operation's name.
        parents: The latents.
    """

    expression: str
    operation: str
    parents: tuple[Source, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FromStage:
    """What a stage made.

    Attributes:
        stage: The stage as a cell says it: ``$NAME`` for the environment's values, its seed known.
        remarks: What is to be filled in of it.
        weights: Digest of its model's weights.
        inputs: What each name of its image seed stood for.
    """

    stage: Stage
    remarks: tuple[str, ...] = ()
    weights: str = ""
    inputs: Mapping[Reference, tuple[Going, ...]] = field(default_factory=lambda: MappingProxyType({}))


Source: TypeAlias = FromStage | Derived | Elsewhere
Going: TypeAlias = FromStage | Derived | Elsewhere | Brought


def all_before(source: Going) -> Iterator[tuple[Going, ...]]:
    """A source, then what it was made of, then what that was made of, to the beginning."""
    level = [source]
    while level:
        yield tuple(level)
        level = list({id(before): before for one in level for before in _before(one)}.values())


def depth_of(source: Going) -> int:
    """How many stages and operations stand one upon the other, `source` the last."""
    return sum(1 for _ in all_before(source))


def _before(source: Going) -> tuple[Going, ...]:
    if isinstance(source, FromStage):
        return tuple(one for several in source.inputs.values() for one in several)
    return source.parents if isinstance(source, Derived) else ()
