"""The engine against plain diffusers at real sizes: alone, watched by the notebook's view, all previewed."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.benchmarks.accelerator.models import subject
from tests.benchmarks.accelerator.runs import Run, engine_run, latents_equal, plain_for, plain_run, summary

if TYPE_CHECKING:
    from jupyter_latents.display.view import RunView
    from jupyter_latents.engine.local import LocalEngine
    from tests.benchmarks.accelerator.place import Place

__all__ = ["NAMES", "speed"]

NAMES = (
    "SD 1.5, 512 pixels",
    "SDXL, 1024 pixels",
    "Flux-size blocks (3 + 6), 1024 pixels",
    "Wan 2.1 of 1.3 billion, 33 frames of 832 × 480",
)
_ROUNDS = 9
_FURTHER = ("engine, watched without previews", "engine, every preview")
_FURTHER_ROUNDS = 2
"""Cases of the first rounds only: where the processor is the limit, more rounds of the others tell more."""


def speed(place: Place) -> None:
    """Steps a second side by side in one run, rounds that begin with another case each; the first is not counted."""
    place.result.facts |= {"dtype": "bfloat16", "target": "watched at least 0.99 of plain steps/s"}
    names = [name for name in NAMES if place.wants(name)]
    for number, name in enumerate(names):
        if not place.has_time(20, f"{name}: not begun"):
            continue
        share = place.clock.left / (len(names) - number)
        with place.row(model=name, case="made") as row:
            row.update(subject(place, name).facts)
        if name in place.subjects:
            _on_one(place, name, place.clock.left - share)
        place.free()


def _on_one(place: Place, name: str, keep: float) -> None:
    """All cases of one model.

    Args:
        place: The section's.
        name: The model's.
        keep: Seconds of the section that are for others.
    """
    from jupyter_latents.engine.local import LocalEngine

    engine, one = LocalEngine(), place.subjects[name]
    runs: dict[str, list[Run]] = {}
    try:
        with place.row(model=name, case="all") as row:
            _rounds(place, row, runs, _cases(engine, one, plain_for(engine, one)), keep)
            row["steps"] = one.steps
    finally:  # where time was over in the middle of a round, the rounds before it stand in the file
        complete = min((len(made) for case, made in runs.items() if case not in _FURTHER), default=0)
        for case, made in runs.items():
            whole = made[:complete]
            if whole:
                with place.row(model=name, case=case) as row:
                    row.update(summary(whole, runs["plain diffusers"]), **_previews(whole))


def _rounds(
    place: Place, row: dict[str, Any], runs: dict[str, list[Run]], cases: dict[str, Callable[[], Run]], keep: float
) -> None:
    """Rounds of all cases into `runs`; the first is not counted."""
    runs.update({case: [] for case in cases})
    names, rounds, longest = list(cases), 1 if place.tiny else _ROUNDS, 0.0
    for number in range(rounds + 1):
        if number > 1 and place.clock.left - keep < longest:
            place.result.cut.append(f"{row['model']}: {rounds + 1 - number} of {rounds} rounds")
            return
        begun = place.clock.left
        for case in names[number % len(names) :] + names[: number % len(names)]:
            if case in _FURTHER and number > _FURTHER_ROUNDS:
                continue
            gc.collect()  # what a run leaves does not hold up the next
            run = cases[case]()
            if number:
                runs[case].append(run)
        longest = max(longest, begun - place.clock.left) if number else 0.0
        if number == 1:
            plain, again, ours = (runs[case][0] for case in names[:3])
            row["plain twice"] = latents_equal(plain.latents, again.latents)
            row["engine as plain"] = latents_equal(plain.latents, ours.latents)


def _cases(engine: LocalEngine, one: Any, pipeline: Any) -> dict[str, Callable[[], Run]]:
    return {
        "plain diffusers": lambda: plain_run(pipeline, one),
        "plain diffusers again": lambda: plain_run(pipeline, one),
        "engine": lambda: engine_run(engine, one),
        "engine, watched": lambda: engine_run(engine, one, lambda: watcher(None)),
        "engine, watched without previews": lambda: engine_run(engine, one, lambda: watcher(0)),
        "engine, every preview": lambda: engine_run(engine, one, lambda: watcher(1)),
    }


def watcher(preview_every: int | None) -> RunView:
    """The notebook's own view of a run, with a stage begun; None is its default rate of previews."""
    from tests.benchmarks.stages import watched

    return watched(preview_every)


def _previews(runs: list[Run]) -> dict[str, Any]:
    """How many previews the view made in its last run."""
    view = runs[-1].more.get("watcher")
    if view is None:
        return {}
    stages = getattr(getattr(view, "record", None), "stages", ())
    points = [point for stage in stages for point in getattr(stage, "points", ())]
    return {"previews": sum(bool(getattr(point, "frame", None)) for point in points)} if points else {}
