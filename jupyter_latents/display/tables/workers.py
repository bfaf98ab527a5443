"""The workers of a session as a table: where each is and what it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_latents.wording import as_html, visible

if TYPE_CHECKING:
    from jupyter_latents.engine import WorkerRow

__all__ = ["WORKER_HEADINGS", "WorkerTable", "worker_cells"]

WORKER_HEADINGS = ("host", "process", "device", "state", "model", "item", "evaluations")


def worker_cells(row: WorkerRow) -> tuple[str, ...]:
    """A worker's cells as text, in the order of the headings."""
    return (row.host, str(row.process), row.device, row.state, row.model, row.item, str(row.evaluations))


@dataclass(frozen=True)
class WorkerTable:
    """Workers.

    Attributes:
        rows: Each of them.
    """

    rows: Sequence[WorkerRow]

    def __repr__(self) -> str:
        if not self.rows:
            return "there is no worker: stages run in this process."
        table = [WORKER_HEADINGS, *map(worker_cells, self.rows)]
        widths = [max(len(cells[column]) for cells in table) for column in range(len(WORKER_HEADINGS))]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in table)
        return visible("\n".join(line.rstrip() for line in lines))

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<div>{as_html(repr(self))}</div>"
        head = "".join(f"<th style='text-align:left'>{heading}</th>" for heading in WORKER_HEADINGS)
        body = "".join(f"<tr>{_cells(worker_cells(row))}</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(texts: Sequence[str]) -> str:
    return "".join(f"<td style='text-align:left'>{as_html(text)}</td>" for text in texts)
