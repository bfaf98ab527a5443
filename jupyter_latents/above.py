"""What values ask of the rooms above them, without importing them: the package's own page says who answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Above", "above", "provide"]


@dataclass(frozen=True, slots=True)
class Above:
    """Those who answer.

    Attributes:
        begin: Begins a session that decodes and displays latents.
        stage: Makes a stage of a model and plain values by their names in Python.
        cell: Writes the cell that a stage stands for.
        version: The package's version.
    """

    begin: Callable[[], object]
    stage: Callable[[object, Mapping[str, object]], Any]
    cell: Callable[[Any], str]
    version: str


_above: list[Above] = []


def provide(answers: Above) -> None:
    """Says who answers from now on.

    Args:
        answers: Those who do.
    """
    _above[:] = [answers]


def above() -> Above:
    """Those who answer; they are there as soon as any module of the package is."""
    return _above[0]
