"""Parts of a stage: its window, its texts, what is done to its latents, where its files go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from jupyter_latents.addresses import Address, address_of
from jupyter_latents.points import Point, point_of
from jupyter_latents.stage.seeds import Reference, Size

__all__ = ["LatentsProcessor", "Output", "Prompt", "Window", "argument"]


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of the denoising a stage runs: fractions of 0 to 1, steps from 2 on, or noise levels.

    Attributes:
        start: ``--denoising-start``, which may be given as text; None when not given.
        end: ``--denoising-end``; None when not given.
    """

    start: Point | None = None
    end: Point | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", point_of(self.start))
        object.__setattr__(self, "end", point_of(self.end))

    @property
    def words(self) -> str:
        """As settings of an address: ``;start=0.2;end=12``; empty for the whole run."""
        return "".join(
            f";{name}={point}" for name, point in (("start", self.start), ("end", self.end)) if point is not None
        )


@dataclass(frozen=True, slots=True)
class LatentsProcessor:
    """One link of ``--latents-processors`` and its kin.

    Attributes:
        name: ``scale``, ``noise`` and so on; ``+`` begins the chain of the next latents.
        arguments: Its arguments, name to text.
        other: The latents that it takes besides, of ``composite;with=NAME``.
    """

    name: str
    arguments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    other: Reference | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _link, (self.name, dict(self.arguments), self.other)  # a read-only view of a dict cannot be pickled


def _link(name: str, arguments: dict[str, str], other: Reference | None) -> LatentsProcessor:
    return LatentsProcessor(name, MappingProxyType(arguments), other)


def argument(name: str, default: str | None = None) -> Any:
    """A field that is an argument of a diffusers pipeline's call.

    Args:
        name: The argument. A stage that gives it is refused where the pipeline does not take it.
        default: What a stage that does not give it holds.
    """
    return field(default=default, metadata={"argument": name})


@dataclass(frozen=True, slots=True)
class Prompt:
    """The texts of a stage; second and third go to a model's further text encoders.

    `weighter` says what reads weights and schedules in them, ``a1111``, and may be given as text; without one, or with
    ``none``, they are text.
    """

    positive: str = ""
    negative: str = argument("negative_prompt", "")
    second: str | None = argument("prompt_2")
    second_negative: str | None = argument("negative_prompt_2")
    third: str | None = argument("prompt_3")
    third_negative: str | None = argument("negative_prompt_3")
    weighter: Address | None = None

    def __post_init__(self) -> None:
        weighter = address_of(self.weighter, "prompt_weighter")
        none = weighter is not None and weighter.name.lower() == "none" and not weighter.settings
        object.__setattr__(self, "weighter", None if none else weighter)


@dataclass(frozen=True, slots=True)
class Output:
    """Where a stage's result is written; nothing is written when path and format are both None.

    Attributes:
        path: Folder of ``--output-path``.
        format: ``png``, ``jpg``, ``webp`` for pictures, ``pt``, ``pth``, ``safetensors``, ``latent`` for latents,
            ``png;latents`` for pictures with their latents inside.
        prefix: Start of the file names.
        overwrite: Whether an existing file may be replaced; otherwise a number is appended.
        grid: Columns and rows of the one picture that holds a batch; None for a file each.
        metadata: Whether pictures hold their script as dgenerate's do.
        configs: Whether each file has its script beside it.
    """

    path: str | None = None
    format: str | None = None
    prefix: str | None = None
    overwrite: bool = False
    grid: Size | None = None
    metadata: bool = False
    configs: bool = False
