"""The cells that a page holds, of its steps and of all results together; lines that they share stand there once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import LatentsError
from jupyter_latents.latents import services

if TYPE_CHECKING:
    from jupyter_latents.display.records.run_record import RunRecord
    from jupyter_latents.display.records.stage_record import Point, StageRecord
    from jupyter_latents.latents.value import Latents

__all__ = ["Cells", "cell_of_point", "cell_of_sweep", "cells_of"]

_MOST_STEPS = 240
_LONGEST = 20_000  # characters of a cell that a page holds


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells as a page holds them.

    Attributes:
        of: The cell of each step, by its number over all stages; without those that nobody knows.
        ends: The numbers of the steps that end a stage.
        whole: The cell of all pictures of the last sweep, empty where there is none.
    """

    of: dict[int, str]
    ends: frozenset[int]
    whole: str = ""

    def payload(self, most: int) -> dict[str, Any]:
        """As plain data: the lines, and for each cell the numbers of its lines.

        Args:
            most: Steps at most whose cells are told, the ends of stages first.
        """
        chosen = sorted(self.of, key=lambda number: (number not in self.ends, -number))[:most]
        lines: dict[str, int] = {}

        def numbers(cell: str) -> list[int]:
            return [lines.setdefault(line, len(lines)) for line in cell.rstrip("\n").split("\n")]

        of = {str(number): numbers(self.of[number]) for number in sorted(chosen)}
        whole = numbers(self.whole) if self.whole else []
        return {"lines": list(lines), "of": of, "whole": whole}


def cells_of(record: RunRecord) -> Cells:
    """The cells of a run that has ended.

    Args:
        record: The run.
    """
    points = [(stage, point) for stage in record.stages for point in stage.points]
    ends = frozenset(number for number, (stage, point) in enumerate(points) if point is stage.points[-1])
    steps = ends if len(points) > _MOST_STEPS else range(len(points))
    cells = {number: cell_of_point(*points[number]) for number in steps}
    whole = cell_of_sweep(record)
    known = {number: cell for number, cell in cells.items() if 0 < len(cell) <= _LONGEST}
    return Cells(known, ends, whole if len(whole) <= _LONGEST else "")


def cell_of_point(stage: StageRecord, point: Point) -> str:
    """The cell that makes a step; empty where nobody knows it.

    Args:
        stage: The stage.
        point: One of its steps.
    """
    try:
        return services.cell(stage.latents_at(point))
    except LatentsError:  # the step was let go of, or its stage left none
        return ""


def cell_of_sweep(record: RunRecord) -> str:
    """The cell that makes all pictures of the last sweep; empty where there is none, or nobody knows it.

    Args:
        record: The run.
    """
    made = list(_latents(record.swept))
    return services.cell(*made) if len(made) > 1 else ""


def _latents(stages: Sequence[StageRecord]) -> Iterator[Latents]:
    return (stage.latents for stage in stages if stage.latents is not None)
