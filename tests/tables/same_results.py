"""Compares what two checkouts make of the same runs, bit for bit, on one machine.

Run: ``python -m tests.tables.same_results --against OTHER_CHECKOUT``. The tiny models are built once and given to both;
each checkout runs all rows in a process of its own, at the same time. It ends with 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from tests.tables.same.models import MODELS
from tests.tables.same.operations import OPERATIONS
from tests.tables.same.row import Row
from tests.tables.same.scripts import SCRIPTS

__all__ = ["ALL_ROWS", "EXPECTED", "Difference", "Side", "chosen", "differences", "main"]

_PNDM = "PNDM that is entered without its history runs the timestep after the entry twice; it ran each step a level low"
_BY_PNDM = (
    *(f"file/sd15 {how}" for how in ("read as foreign pt", "read as foreign pth", "read as foreign latent")),
    *("file/sd15 saved and named latent", "option/a list goes on as a batch", "option/processor scale;factor=1.1"),
    *(f"hand-over/{pair}" for pair in ("sd15 6 to 9 steps", "sd15 6 to 4 steps")),
    *(f"hand-over/{giver} to sd15" for giver in ("sd2", "sdxl", "flux")),
    *(f"operation/sd15 goes on from {name}" for name in ("blend", "slerp", "composite", "crop", "flip", "pad")),
    *(f"operation/sd15 goes on from {name}" for name in ("resize up", "scale", "batch and split")),
)
_FACTS = "the facts of latents name their guidance too"
EXPECTED: Mapping[str, str] = MappingProxyType(
    {
        "image/sd15 wide with an output size": "a picture keeps its shape beside an output size, as in dgenerate",
        **dict.fromkeys((f"operation/{name} facts" for name in ("noisy sd15", "clean sd15", "noisy sd3")), _FACTS),
        "refusal/flow scheduler on sd15": "sigmas that a scheduler does not take are refused before any weights load",
        "scheduler/qwen-image UniPCMultistepScheduler": "the scheduler keeps the shift of the model's own schedule",
        **dict.fromkeys(_BY_PNDM, _PNDM),
    }
)
"""Rows whose result at 11a381f is known as wrong, or said less, and why; such a row must differ."""

ALL_ROWS: tuple[Row, ...] = (*MODELS, *SCRIPTS, *OPERATIONS)
HOME = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("same") / "child.py"
QUICK = 7


@dataclass(frozen=True)
class Side:
    """What one checkout made.

    Attributes:
        outcomes: ``same.child.Outcome`` by row, as plain data.
        tensors: Tensors by row and place.
    """

    outcomes: Mapping[str, Mapping[str, Any]]
    tensors: Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Difference:
    """A line of the table.

    Attributes:
        row: Name of the row.
        what: What differs.
        largest: The largest absolute difference of two tensors; None where there is none to tell.
    """

    row: str
    what: str
    largest: float | None = None


def differences(ours: Side, theirs: Side, rows: Sequence[Row], expected: Collection[str] = ()) -> Iterator[Difference]:
    """Compares two sides row by row.

    Args:
        ours: One side.
        theirs: The other.
        rows: What was to run.
        expected: Rows that must differ.

    Yields:
        What differs; an expected row that does not; a row that was to run and is refused, or the other way round.
    """
    for row in rows:
        first, second = ours.outcomes[row.name], theirs.outcomes[row.name]
        found = list(_row_differences(row.name, first, second, ours, theirs))
        if row.name in expected:
            if not found:
                yield Difference(row.name, "was expected to differ and does not")
            continue
        yield from found
        if not found and bool(first["error"]) != row.refused:
            yield Difference(row.name, f"both: {first['error']}: {first['said']}" if first["error"] else "both run it")


def _row_differences(
    name: str, first: Mapping[str, Any], second: Mapping[str, Any], ours: Side, theirs: Side
) -> Iterator[Difference]:
    if first["error"] != second["error"]:
        told = [f"{side['error']}: {side['said']}" if side["error"] else "runs" for side in (first, second)]
        yield Difference(name, f"ours {told[0]}, theirs {told[1]}")
    for kind in ("digests", "facts"):
        mine, other = first[kind], second[kind]
        for place in sorted({*mine, *other}):
            if place not in mine or place not in other:
                yield Difference(name, f"{place}: only in {'ours' if place in mine else 'theirs'}")
            elif mine[place] != other[place]:
                told = "" if kind == "digests" else f": ours {mine[place]}, theirs {other[place]}"
                key = f"{name}: {place}"
                yield Difference(name, place + told, _largest(ours.tensors.get(key), theirs.tensors.get(key)))


def _largest(first: torch.Tensor | None, second: torch.Tensor | None) -> float | None:
    if first is None or second is None or first.shape != second.shape:
        return None
    return float((first.double() - second.double()).abs().max())


def table(found: Sequence[Difference], most: int = 4) -> Iterator[str]:
    """The lines of the table, `most` a row.

    Args:
        found: All differences, those of a row together.
        most: How many lines a row may take; the rest is counted.
    """
    for name in dict.fromkeys(difference.row for difference in found):
        lines = [difference for difference in found if difference.row == name]
        for line in lines[:most]:
            yield f"{name} | {line.what} | {'' if line.largest is None else f'{line.largest:.3g}'}"
        if len(lines) > most:
            yield f"{name} | {len(lines) - most} more places |"


def chosen(rows: Sequence[Row], pattern: str = "", *, quick: bool = False) -> list[Row]:
    """The rows in whose name a pattern is found; of these every seventh where it is to be quick."""
    found = [row for row in rows if re.search(pattern, row.name)]
    return found[::QUICK] if quick else found


def build_models(rows: Sequence[Row], folder: Path) -> dict[str, str]:
    """Builds what the rows name as ``<sd15>``, ``<control>`` or ``<lora>``.

    Returns:
        Placeholder to path.
    """
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    from tests.tiny import FAMILIES, controlnet, lora, save_folder

    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    text = "\n".join(cell for row in rows for cell in row.cells)
    made = {f"<{name}>": str(save_folder(name, folder / name)) for name in FAMILIES if f"<{name}>" in text}
    if "<control>" in text:
        controlnet().save_pretrained(folder / "control")
        made["<control>"] = str(folder / "control")
    if "<lora>" in text:
        made["<lora>"] = str(lora(folder / "lora.safetensors"))
    return made


def start(checkout: Path, listed: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Starts the rows in a checkout."""
    folder.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    command = [sys.executable, "-P", str(CHILD), str(listed), str(folder)]
    with (folder / "said.txt").open("wb") as said:
        return subprocess.Popen(command, cwd=checkout, env=environment, stdout=said, stderr=subprocess.STDOUT)


def ended(child: subprocess.Popen[bytes], folder: Path) -> Side:
    """What a child made.

    Raises:
        SystemExit: It failed.
    """
    from safetensors.torch import load_file

    if child.wait() != 0:
        raise SystemExit((folder / "said.txt").read_text("utf-8", "replace")[-4000:])
    outcomes = json.loads((folder / "outcomes.json").read_text("utf-8"))
    return Side(outcomes, load_file(folder / "tensors.safetensors"))


def run_both(rows: Sequence[Row], against: Path) -> tuple[Side, Side]:
    """Runs the rows in this checkout and in another, at the same time."""
    with tempfile.TemporaryDirectory(prefix="same-results-") as made:
        root = Path(made)
        models = build_models(rows, root / "models")
        listed = root / "rows.json"
        listed.write_text(json.dumps({row.name: [_filled(cell, models) for cell in row.cells] for row in rows}))
        folders = (root / "ours", root / "theirs")
        children = [start(place, listed, folder) for place, folder in zip((HOME, against), folders, strict=True)]
        try:
            first, second = (ended(child, folder) for child, folder in zip(children, folders, strict=True))
        finally:
            for child in children:
                child.kill()
                child.wait()
    return first, second


def _filled(cell: str, models: Mapping[str, str]) -> str:
    for name, path in models.items():
        cell = cell.replace(name, path)
    return cell


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs, compares and prints; returns the exit status."""
    parser = argparse.ArgumentParser("python -m tests.tables.same_results", description=__doc__.partition("\n")[0])
    parser.add_argument("--against", type=Path, required=True, help="folder of the other checkout")
    parser.add_argument(
        "--only", default="", metavar="PATTERN", help="rows whose name this regular expression is found in"
    )
    parser.add_argument("--quick", action="store_true", help=f"every {QUICK}th row")
    parser.add_argument("--refused", action="store_true", help="print what the refused rows are told")
    parser.add_argument("--slowest", type=int, default=0, metavar="N", help="print the N slowest rows too")
    given = parser.parse_args(arguments)
    rows, began = chosen(ALL_ROWS, given.only, quick=given.quick), time.monotonic()
    ours, theirs = run_both(rows, given.against.resolve())
    found = list(differences(ours, theirs, rows, EXPECTED))
    print(*table(found), sep="\n", end="\n" if found else "")
    for row in rows if given.refused else ():
        if ours.outcomes[row.name]["error"]:
            print(f"{row.name} | {ours.outcomes[row.name]['error']}: {ours.outcomes[row.name]['said'][:150]}")
    for name in sorted(ours.outcomes, key=lambda name: -ours.outcomes[name]["seconds"])[: given.slowest]:
        print(f"{ours.outcomes[name]['seconds']:.2f} s {name}")
    totals = [sum(outcome["seconds"] for outcome in side.outcomes.values()) for side in (ours, theirs)]
    print(f"{time.monotonic() - began:.0f} seconds in all; rows: ours {totals[0]:.0f}, theirs {totals[1]:.0f}")
    print(f"{len(rows)} runs, {len({difference.row for difference in found})} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
