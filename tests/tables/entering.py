"""Writes ``docs/entering.md``: what each scheduler makes of latents that enter it without their history.

Run: ``python -m tests.tables.entering`` prints the page from the recorded figures; ``--record`` measures them anew into
``entering.json`` (about half an hour on one thread), ``--schedulers NAME ...`` only some of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jupyter_latents.engine.schedule.table import BACKWARDS
from tests.engine.cases import FLOW_SCHEDULERS, SCHEDULERS
from tests.engine.schedule.known import STOCHASTIC
from tests.tables.setting import bench, versions
from tests.tables.ways import WAYS, Figure, Measures, measured

FILE = Path(__file__).with_name("entering.json")
PAGE = Path(__file__).parents[2] / "docs" / "entering.md"

HEAD = """# Entering midway

Made by `python -m tests.tables.entering` with {versions};
do not edit.

Latents that go on in the schedule that made them carry its history, and the run is exact. Latents of another scheduler
or step count, of another program (a bare file), blended, joined, resized or split have none: each solver then begins
with the first order and raises it with the model outputs that it has, as it does at the beginning of a schedule.

## Schedulers that draw no noise

`demo/scenes`, or `demo/flow`, stopped by the same scheduler at 0.8 of 20 steps, then denoised to the end. Each figure
is the relative difference from 250 steps of Euler that start from the very same latents. *with* is what the scheduler
makes with its history; the other columns enter without it. A figure is right up to 0.06, or up to 1.5 times that with
the history; in brackets stands that with the history at the step of the entry, where it is another step and counts.
Resized latents (128 to 112 pixels) are rougher than those that a model makes, and the first steps of every solver err
more on them: in brackets stands what the scheduler makes of latents that were resized at 0.6, with its history at 0.8.
EDM and CogVideoX schedulers expect models of other training and make most of their error themselves; CogVideoX's keeps
no history, and its noise levels are not those of this model, so that latents of Euler fit it less than its own.

| scheduler | {columns} | verdict |
|---|{rules}|---|
"""

DRAWING = """
## Schedulers that draw noise

They end in a distribution, not at a point: mean and standard deviation of what they make of Gaussian data (mean 0.4,
deviation 0.7) with an exact denoiser, 32,768 values, 40 steps entered at step 20. Those that take few steps by design
(LCM, TCD, consistency models) do not reach the data's deviation with their history either; without it they are to make
the same, within five standard errors and 2 %.

| scheduler | mean, deviation with history | without | verdict |
|---|---|---|---|
"""

BACK = """
## Inverse schedulers

`demo/scenes`, 30 steps, guidance 1: a picture taken to noise in two stages, the second without the history of the
first, and painted again by the ordinary scheduler. Relative difference of the latents from those of the picture; right
up to 0.1.

| scheduler | with history | without | verdict |
|---|---|---|---|
"""

FOOT = """
## What is done

- `LMSDiscreteScheduler` is told its order, as many as it has outputs; diffusers counts from the schedule's first step.
- `PNDMScheduler` runs the timestep after the entry twice, one model evaluation more; diffusers takes its second call
  for a repeat wherever it begins. With `skip_prk_steps=false` it enters only with its history, and is refused by name
  without.
- All others raise their order by themselves.
- A picture at a strength enters as in diffusers, equal to it bit for bit.
- A stage that entered so is split as any other: its history begins at its entry, and travels.
"""


def steady() -> tuple[str, ...]:
    """The schedulers of the split law that draw nothing."""
    return tuple(name for name in (*SCHEDULERS, *FLOW_SCHEDULERS) if name not in (*STOCHASTIC, *BACKWARDS))


def short(scheduler: str) -> str:
    """A scheduler's name in a cell."""
    return scheduler.replace("Scheduler", "", 1).replace(";", "; ")


def cell(figure: Figure, way: str) -> str:
    """An error, and beside it the one with the history where that is another at the step of the entry."""
    own = figure.values.get(f"with, {way}")
    return f"{figure.values[way]:.3f}" + (f" ({own:.3f})" if own is not None else "")


def page(figures: Sequence[Figure]) -> Iterator[str]:
    """The page, line by line."""
    by_kind = {kind: [figure for figure in figures if figure.kind == kind] for kind in ("steady", "drawing", "back")}
    yield from HEAD.format(versions=json.loads(FILE.read_text())["versions"], columns=" | ".join(["with", *WAYS]),
                           rules="|".join(["---"] * (len(WAYS) + 1))).splitlines()  # fmt: skip
    for figure in by_kind["steady"]:
        cells = " | ".join(cell(figure, way) for way in ("with", *WAYS))
        yield f"| {short(figure.scheduler)} | {cells} | {figure.verdict} |"
    yield from DRAWING.splitlines()
    for figure in by_kind["drawing"]:
        pairs = [
            f"{figure.values[f'{one} mean']:.3f}, {figure.values[f'{one} deviation']:.3f}"
            for one in ("with", "without")
        ]
        yield f"| {short(figure.scheduler)} | {' | '.join(pairs)} | {figure.verdict} |"
    yield from BACK.splitlines()
    for figure in by_kind["back"]:
        errors = " | ".join(f"{figure.values[way]:.3f}" for way in ("with", "without"))
        yield f"| {short(figure.scheduler)} | {errors} | {figure.verdict} |"
    yield from FOOT.splitlines()


def recorded() -> list[Figure]:
    """The figures of the file."""
    return [Figure(**record) for record in json.loads(FILE.read_text())["figures"]]


def text(figures: Sequence[Figure]) -> str:
    """The page."""
    return "\n".join(page(figures)) + "\n"


def record(names: Sequence[str]) -> None:
    """Measures schedulers anew; the others keep their figures."""
    kept = {figure.scheduler: figure for figure in recorded()} if FILE.exists() else {}
    with bench() as made:
        measures = Measures(made)
        for name in names:
            kept[name] = measured(measures, name)
            print(name, kept[name].verdict, kept[name].values, file=sys.stderr, flush=True)
            ordered = [kept[one] for one in (*SCHEDULERS, *FLOW_SCHEDULERS) if one in kept]
            content: dict[str, Any] = {"versions": versions(), "figures": [vars(figure) for figure in ordered]}
            FILE.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--schedulers", nargs="*", default=[*SCHEDULERS, *FLOW_SCHEDULERS])
    given = parser.parse_args()
    if given.record:
        record(given.schedulers)
    PAGE.write_text(text(recorded()))
    print(PAGE.read_text(), end="")
