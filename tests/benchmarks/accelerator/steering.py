"""Scheduled is explicit, on the device: a stage that changes on its way beside the stages that one writes by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_latents.errors import JupyterLatentsError
from tests.engine.cases import Bench, through_file
from tests.tables.steered import WAYS, differs
from tests.tables.steered import Place as Where
from tests.tables.steered_files import FAMILIES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.accelerator.place import Place

__all__ = ["steering"]

_AT = 0.5
_ROW_SECONDS = 3.0


def steering(place: Place) -> None:
    """Each way to steer × each family that takes it, on tiny models, at half the steps and through a file.

    Weights have the dtype that the engine chooses on this device.
    """
    from jupyter_latents.engine.local import LocalEngine
    from tests.tiny import save_folder

    def folder(name: str) -> Path:
        found = place.scratch / "tiny" / name
        return found if (found / "model_index.json").is_file() else save_folder(name, found)

    bench = Bench(LocalEngine(), folder, place.scratch)
    place.result.facts |= {"steps": 10, "changed at": _AT}
    cases = [(family, way) for way in WAYS for family in FAMILIES if family == "sd15" or not WAYS[way].sketches]
    for number, (family, way) in enumerate(cases[:2] if place.tiny else cases):
        if not place.has_time(_ROW_SECONDS, f"{len(cases) - number} of {len(cases)} rows of ways × families"):
            break
        with place.row(family=family, way=way) as row:
            try:
                differs_by = differs(bench, way, Where(family), _AT, through_file)
            except JupyterLatentsError as error:
                row["refused"] = f"{type(error).__name__}: {error}"[:200]
            else:
                row["explicit"], row["differs"] = not differs_by, differs_by
    rows = place.result.rows
    place.result.facts |= {
        "rows": len(rows),
        "equal": sum(row.get("explicit") is True for row in rows),
        "unequal": sum(row.get("explicit") is False for row in rows),
        "refused": sum("refused" in row for row in rows),
        "failed": sum("error" in row for row in rows),
    }
