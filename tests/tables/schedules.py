"""Prints ``docs/schedules-table.md``: what changes during a run equals the stages by hand, for every scheduler.

Run: ``python -m tests.tables.schedules`` prints the page from the recorded answers; ``--record`` finds them anew into
``schedules.json`` (some minutes on one thread), ``--schedulers NAME ...`` only for some.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_latents.errors import JupyterLatentsError
from tests.engine.cases import SCHEDULERS, Bench, in_memory, through_file
from tests.tables.setting import bench, versions
from tests.tables.steered import SWITCHES, WAYS, differs

__all__ = ["FILE", "PAGE", "WAYS", "answer", "page", "recorded"]

FILE = Path(__file__).with_name("schedules.json")
PAGE = Path(__file__).parents[2] / "docs" / "schedules-table.md"
EQUAL = "="

HEAD = """# Scheduled is explicit

Made by `python -m tests.tables.schedules` with {versions};
do not edit.

A stage that changes at {switches} of ten steps, beside the two stages that one would write by hand with
`--denoising-end` and `latents:` of the one before. Each cell tells how many of {cases} runs have equal latents, bit
for bit: {points} points, the latents through memory and through a file. The prompt is `[red:blue:0.5]`, guidance
`7@0,1@0.5`, one LoRA ends where another begins, and a ControlNet ends; its end stands in both stages by hand.

| scheduler | {columns} |
|---|{rules}|
"""
WHOLE = "\nNo scheduler refuses a change: {count} of {count} runs are equal.\n"
SOME = "\n{equal} of {count} runs are equal.\n"


def answer(made: Bench, scheduler: str, way: str) -> list[str]:
    """For each switch point through memory, then through a file: ``=``, or how the runs differ."""
    found = []
    for carry in (in_memory, through_file):
        for at in SWITCHES:
            try:
                found.append(differs(made, way, scheduler, at, carry) or EQUAL)
            except JupyterLatentsError as error:
                found.append(error.message)
    return found


def page(answers: Mapping[str, Mapping[str, Sequence[str]]], made_with: str) -> str:
    """The page of the answers, by scheduler and way."""
    cases = 2 * len(SWITCHES)
    head = HEAD.format(
        versions=made_with,
        switches=", ".join(map(str, SWITCHES)),
        cases=cases,
        points=len(SWITCHES),
        columns=" | ".join(WAYS),
        rules="|".join("---" for _ in WAYS),
    )
    rows, notes = [], []
    for scheduler, ways in sorted(answers.items()):
        cells = []
        for way in WAYS:
            equal = sum(one == EQUAL for one in ways[way])
            cells.append(f"{equal} of {cases}")
            notes += [f"- {scheduler}, {way}: {one}" for one in dict.fromkeys(ways[way]) if one != EQUAL]
        rows.append(f"| {scheduler} | {' | '.join(cells)} |")
    every = [one for ways in answers.values() for way in ways.values() for one in way]
    text = WHOLE if not notes else SOME
    summary = text.format(count=len(every), equal=sum(one == EQUAL for one in every))
    return head + "\n".join(rows) + "\n" + summary + ("\n" + "\n".join(notes) + "\n" if notes else "")


def recorded() -> dict[str, Any]:
    """The recorded answers by scheduler and way, and what they were made with."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"versions": "", "answers": {}}


def _record(names: Sequence[str]) -> None:
    found = recorded()
    with bench() as made:
        for name in names:
            found["answers"][name] = {way: answer(made, name, way) for way in WAYS}
            print(name, found["answers"][name], file=sys.stderr, flush=True)
    found["versions"] = versions()
    FILE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """Prints the page; records before, where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="find the answers anew")
    parser.add_argument("--schedulers", nargs="*", default=SCHEDULERS, help="only these")
    given = parser.parse_args()
    if given.record:
        _record(given.schedulers)
    found = recorded()
    print(page(found["answers"], found["versions"]), end="")


if __name__ == "__main__":
    main()
