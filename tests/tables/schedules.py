"""Prints ``docs/schedules-table.md``: what changes during a run equals the stages by hand, for every scheduler.

Run: ``python -m tests.tables.schedules`` prints the page from the recorded answers; ``--record`` finds them anew into
``schedules.json`` (some minutes on one thread), ``--schedulers NAME ...`` and ``--ways NAME ...`` only for some.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_latents.errors import JupyterLatentsError
from tests.engine.cases import FLOW_SCHEDULERS, MODES, SCHEDULERS, Bench, in_memory, through_file
from tests.tables.setting import bench, versions
from tests.tables.steered import SWITCHES, WAYS, Place, differs

__all__ = ["ELSEWHERE", "FILE", "PAGE", "WAYS", "answer", "page", "recorded"]

FILE = Path(__file__).with_name("schedules.json")
PAGE = Path(__file__).parents[2] / "docs" / "schedules-table.md"
EQUAL = "="
NONE = "–"

ELSEWHERE = {
    **{f"SD {mode}": ("sd15", mode) for mode in MODES[1:]},
    **{f"SDXL {mode}": ("sdxl", mode) for mode in MODES},
    **{f"SD3 {mode}": ("deep-sd3", mode) for mode in MODES},
    **{f"Flux.1 {mode}": ("flux", mode) for mode in MODES},
}
"""Row of the second table to its tiny model and mode."""
_SOME = ("DDIMScheduler", "DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler")

Answers = Mapping[str, Mapping[str, Sequence[str]]]

HEAD = """# Scheduled is explicit

Made by `python -m tests.tables.schedules` with {versions};
do not edit.

A stage that changes at {switches} of ten steps, beside the two stages that one would write by hand with
`--denoising-end` and `latents:` of the one before. Each cell tells how many of {cases} runs have equal latents, bit
for bit: {points} points, the latents through memory and through a file. The prompt is `[red:blue:0.5]`, guidance
`7@0,1@0.5`, one LoRA ends where another begins, a ControlNet ends (its end stands in both stages by hand), an
IP-Adapter ends, and a T2I-Adapter begins. All are SD from a prompt.

"""
OTHERS = """
## Other families and modes

The same at {points} points through a file, for each of the schedulers named; – where diffusers has no such pipeline, or
the family takes no such thing.

"""
WHOLE = "\nNo scheduler refuses a change: {count} of {count} runs are equal.\n"
SOME = "\n{equal} of {count} runs are equal.\n"


def schedulers_of(family: str) -> tuple[str, ...]:
    """Those of the second table.

    Args:
        family: The tiny model.
    """
    return FLOW_SCHEDULERS if family in ("deep-sd3", "flux") else _SOME


def answer(made: Bench, place: Place, way: str, carries: Sequence[Any] = (in_memory, through_file)) -> list[str]:
    """For each way to carry latents and each switch point: ``=``, or how the runs differ."""
    found = []
    for carry in carries:
        for at in SWITCHES:
            try:
                found.append(differs(made, way, place, at, carry) or EQUAL)
            except JupyterLatentsError as error:
                found.append(error.message)
    return found


def page(found: Mapping[str, Any]) -> str:
    """The page of the answers.

    Args:
        found: As `recorded` gives them.
    """
    cases = 2 * len(SWITCHES)
    head = HEAD.format(
        versions=found["versions"], switches=", ".join(map(str, SWITCHES)), cases=cases, points=len(SWITCHES)
    )
    first = head + "".join(_table("scheduler", dict(sorted(found["answers"].items()))))
    elsewhere = {name: _merged(name, rows) for name, rows in found["elsewhere"].items()}
    named = [
        f"{'SD and SDXL' if family == 'sdxl' else 'SD3 and Flux.1'}: {', '.join(f'`{one}`' for one in names)}."
        for family, names in (("sdxl", _SOME), ("flux", FLOW_SCHEDULERS))
    ]
    return (
        first
        + OTHERS.format(points=len(SWITCHES))
        + "\n\n".join(named)
        + "\n\n"
        + "".join(_table("family and mode", {name: elsewhere[name] for name in ELSEWHERE if name in elsewhere}))
    )


def _merged(name: str, rows: Answers) -> dict[str, list[str]]:
    """The answers of several schedulers, each that is not equal with its name."""
    return {
        way: [
            one if one == EQUAL else f"`{scheduler}` on {name.partition(' ')[0]}: {one}"
            for scheduler, ways in rows.items()
            for one in ways[way]
        ]
        for way in WAYS
        if all(way in ways for ways in rows.values())
    }


def _table(head: str, answers: Answers) -> Iterator[str]:
    yield f"| {head} | {' | '.join(WAYS)} |\n|---|{'|'.join('---' for _ in WAYS)}|\n"
    for name, ways in answers.items():
        cells = [f"{_equal(ways[way])} of {_run(ways[way])}" if way in ways else NONE for way in WAYS]
        yield f"| {name} | {' | '.join(cells)} |\n"
    every = [one for ways in answers.values() for way in ways.values() for one in way]
    equal, count = _equal(every), _run(every)
    yield (WHOLE if equal == count else SOME).format(count=count, equal=equal)
    if refused := dict.fromkeys(one for one in every if _refused(one)):
        yield "\nWhat is refused with a change or without is not counted:\n\n"
        yield "".join(f"- {one}\n" for one in refused)


def _refused(one: str) -> bool:
    """Whether a run was refused by diffusers' own rule for its scheduler, whatever changes."""
    return "passes sigmas of its own" in one


def _run(several: Iterable[str]) -> int:
    return sum(not _refused(one) for one in several)


def _equal(several: Iterable[str]) -> int:
    return sum(one == EQUAL for one in several)


def recorded() -> dict[str, Any]:
    """The recorded answers by scheduler and way, those elsewhere by row as well, and what they were made with."""
    found = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return {"versions": "", "answers": {}, "elsewhere": {}, **found}


def _record(names: Sequence[str], ways: Sequence[str]) -> None:
    found = recorded()
    with bench() as made:
        for name in names:
            row = found["answers"].setdefault(name, {})
            row |= {way: answer(made, Place(scheduler=name), way) for way in ways}
            print(name, {way: row[way] for way in ways}, file=sys.stderr, flush=True)
    _write(found)


def _record_elsewhere(rows: Sequence[str]) -> None:
    found = recorded()
    with bench() as made:
        for name in rows:
            family, mode = ELSEWHERE[name]
            ways = {way: WAYS[way] for way in WAYS if _runs(way, family, mode)}
            found["elsewhere"][name] = {
                one: {way: answer(made, Place(family, one, mode), way, (through_file,)) for way in ways}
                for one in schedulers_of(family)
            }
            print(name, found["elsewhere"][name], file=sys.stderr, flush=True)
    _write(found)


def _runs(way: str, family: str, mode: str) -> bool:
    """Whether diffusers has a pipeline for it."""
    if way == "T2I-Adapter":
        return mode == "txt2img" and family in ("sd15", "sdxl")
    return way != "ControlNet" or mode == "txt2img" or family != "deep-sd3"


def _write(found: dict[str, Any]) -> None:
    found["versions"] = versions()
    FILE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """Prints the page; records before, where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="find the answers anew")
    parser.add_argument("--schedulers", nargs="*", default=SCHEDULERS, help="only these")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), help="only these")
    parser.add_argument("--elsewhere", nargs="*", default=list(ELSEWHERE), help="only these rows of the second table")
    given = parser.parse_args()
    if given.record:
        _record(given.schedulers, given.ways)
        _record_elsewhere(given.elsewhere)
    print(page(recorded()), end="")


if __name__ == "__main__":
    main()
