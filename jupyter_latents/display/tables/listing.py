"""``%latents``: what the session holds, as a table."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.texts import duration
from jupyter_latents.errors import ModelError, RunError
from jupyter_latents.session.names.variables import latents_in
from jupyter_latents.wording import as_html, readable, visible

if TYPE_CHECKING:
    from jupyter_latents.engine import PartRow
    from jupyter_latents.latents.value import Latents

__all__ = ["Holdings", "Listing", "holdings", "listing"]

_HEADINGS = ("name", "picture", "space", "noise", "shape", "size", "age")


@dataclass(frozen=True)
class Row:
    """One variable.

    Attributes:
        name: The variable's name, with an index for an item of a list.
        latents: What it holds.
    """

    name: str
    latents: Latents

    def cells(self) -> tuple[str, ...]:
        """Name, space, noise, shape, size and age as text."""
        latents = self.latents
        size = latents.tensor.numel() * latents.tensor.element_size()
        kept = sum(item.tensor.numel() * item.tensor.element_size() for item in latents.trajectory)
        noise = f"{latents.noise}, {latents.position}" if latents.position else str(latents.noise or "not known")
        return (
            self.name,
            latents.space.name if latents.space else "not known",
            noise,
            " × ".join(map(str, latents.shape)),
            readable(size) + (f" + {readable(kept)} of steps" if kept else ""),
            duration(max(0.0, time.time() - latents.made_at)),
        )


@dataclass(frozen=True)
class Listing:
    """All latents that variables of the session hold."""

    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        headings = tuple(heading for heading in _HEADINGS if heading != "picture")
        table = [headings, *(row.cells() for row in self.rows)]
        if not self.rows:
            return "no variable holds latents; a %%dgen cell binds them with --into NAME."
        widths = [max(len(cells[column]) for cells in table) for column in range(len(headings))]
        return visible(
            "\n".join(
                "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
                for cells in table
            )
        )

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<div>{as_html(repr(self))}</div>"
        head = "".join(f"<th style='text-align:left'>{heading}</th>" for heading in _HEADINGS)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_html_row, self.rows))}</tbody></table>"


@dataclass(frozen=True)
class Holdings:
    """The parts of models that a session holds."""

    rows: tuple[tuple[str, ...], ...]

    def __repr__(self) -> str:
        table = [("part", "size", "where", "last use", "models"), *self.rows]
        if not self.rows:
            return "no model is loaded."
        widths = [max(len(cells[column]) for cells in table) for column in range(5)]
        return visible(
            "\n".join(
                "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
                for cells in table
            )
        )


def holdings(parts: Sequence[PartRow]) -> Holdings:
    """What the session's model cache holds.

    Args:
        parts: The parts, most recently used first.
    """
    return Holdings(
        tuple(
            (
                part.what + (" (in use)" if part.busy else ""),
                readable(part.size),
                part.where,
                f"{duration(time.time() - part.used)} ago",
                ", ".join(part.models),
            )
            for part in parts
        )
    )


def listing(names: Mapping[str, Any]) -> Listing:
    """The latents among some variables.

    Args:
        names: The kernel's variables.
    """
    return Listing(tuple(Row(name, latents) for name, latents in latents_in(names).items()))


def _html_row(row: Row) -> str:
    name, *rest = row.cells()
    cells = (f"<code>{as_html(name)}</code>", _picture(row), *map(as_html, rest))
    return "<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells) + "</tr>"


def _picture(row: Row) -> str:
    from jupyter_latents.latents.clip import still

    try:
        picture = still(row.latents.preview()[0])
    except (ModelError, RunError):
        return "–"
    content = io.BytesIO()
    picture.resize((48, round(48 * picture.height / picture.width))).save(content, "JPEG", quality=85)
    encoded = base64.b64encode(content.getvalue()).decode()
    return f'<img alt="preview of {as_html(row.name)}" src="data:image/jpeg;base64,{encoded}">'
