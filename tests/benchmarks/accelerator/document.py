"""The JSON file: what machine, which versions, and the rows of each section, as far as there are any."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["SCHEMA", "Document", "Result", "problem"]

SCHEMA = 1
_TAIL = 1500  # characters of a traceback


def problem(error: BaseException) -> dict[str, str]:
    """An error as data: its type, its message and the end of its traceback, without folders of the machine."""
    lines = "".join(traceback.format_exception(error))
    here = str(Path.cwd())
    return {"type": type(error).__name__, "message": str(error)[:600], "traceback": lines.replace(here, ".")[-_TAIL:]}


@dataclass(slots=True)
class Result:
    """What a section found.

    Attributes:
        name: Its name.
        share: Seconds that it had.
        seconds: Seconds that it took.
        rows: What it measured; a row a dictionary of plain values.
        facts: What holds for all its rows.
        cut: What was left out for want of time, in words.
        error: What it failed with.
    """

    name: str
    share: float = 0.0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    error: dict[str, str] | None = None

    def plain(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {name: getattr(self, name) for name in ("name", "share", "seconds", "rows", "facts", "cut", "error")}


@dataclass(slots=True)
class Document:
    """The whole file.

    Attributes:
        path: Where it is written; None for nowhere.
        head: Schema, date, commit, machine and versions.
        results: The sections so far.
    """

    path: Path | None
    head: dict[str, Any] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {"schema": SCHEMA, **self.head, "sections": [result.plain() for result in self.results]}

    def write(self) -> None:
        """Writes it whole: what stands there is always readable."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(self.path.name + ".part")
        part.write_text(json.dumps(self.plain(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(self.path)
