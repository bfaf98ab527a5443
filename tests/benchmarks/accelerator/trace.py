"""What the engine and its previews make the processor wait for, a step: counts of the profiler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.benchmarks.accelerator.models import subject
from tests.benchmarks.accelerator.runs import engine_run, plain_for, plain_run
from tests.benchmarks.accelerator.speed import NAMES, watcher

if TYPE_CHECKING:
    from jupyter_latents.engine.local import LocalEngine
    from tests.benchmarks.accelerator.place import Place

__all__ = ["trace"]

COUNTED = (
    "cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "aten::item",
    "aten::_local_scalar_dense", "Memcpy DtoH", "Memcpy HtoD", "aten::is_nonzero", "aten::_to_copy",
    "cudaLaunchKernel",
)  # fmt: skip
_FEW, _MANY = 4, 6
_KEPT = [(NAMES[0], case) for case in ("plain diffusers", "engine", "engine, watched")]
"""Whose Chrome traces are kept: what comes back from such a machine is few files."""


def trace(place: Place) -> None:
    """Counts a step: those of a longer run less those of a shorter one, by the steps between."""
    from jupyter_latents.engine.local import LocalEngine

    place.result.facts |= {"counted": f"(run of {_MANY} steps - run of {_FEW}) / {_MANY - _FEW}"}
    for name in NAMES if not place.tiny else NAMES[:1]:
        if not place.has_time(15, f"{name}: not begun"):
            continue
        engine = LocalEngine()
        cases: dict[str, Callable[[int], object]] = {}
        with place.row(model=name, case="loaded"):
            one = subject(place, name)
            cases = _cases(engine, one, plain_for(engine, one))
        for case, go in cases.items():
            if place.has_time(6, f"{name}: {case}"):
                with place.row(model=name, case=case) as row:
                    _count(place, row, name, case, go)
        cases, go = {}, None
        engine.unload()
        place.free()


def _cases(engine: LocalEngine, one: Any, pipeline: Any) -> dict[str, Callable[[int], object]]:
    def ours(preview_every: int | None, *, seen: bool) -> Callable[[int], object]:
        watch = (lambda: watcher(preview_every)) if seen else None
        return lambda steps: engine_run(engine, one, watch, one.stage(steps))

    return {
        "plain diffusers": lambda steps: plain_run(pipeline, one, steps),
        "engine": ours(None, seen=False),
        "engine, watched": ours(None, seen=True),
        "engine, watched without previews": ours(0, seen=True),
        "engine, every preview": ours(1, seen=True),
    }


def _count(place: Place, row: dict[str, Any], name: str, case: str, go: Callable[[int], object]) -> None:
    go(_FEW)
    go(_MANY)  # neither is the first of its kind
    file = f"{name} {case}" if (name, case) in _KEPT else ""
    few, many = _profiled(place, lambda: go(_FEW), ""), _profiled(place, lambda: go(_MANY), file)
    a_step = {key: (many[key] - few[key]) / (_MANY - _FEW) for key in many}
    row["a step"] = {name: a_step.get(name, 0.0) for name in COUNTED}
    row["whole run"] = {name: many.get(name, 0) for name in COUNTED}
    waits = ("Synchronize", "item", "_local_scalar_dense", "Memcpy", "nonzero")
    found = {key: value for key, value in a_step.items() if value and any(word in key for word in waits)}
    row["top"] = dict(sorted(found.items(), key=lambda pair: -pair[1])[:12])


def _profiled(place: Place, go: Callable[[], object], file: str) -> Counter[str]:
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if place.on_cuda else [])]
    with profile(activities=activities) as profiler:
        go()
    counts: Counter[str] = Counter()
    results: Any = profiler.profiler
    for event in results.kineto_results.events():  # as they are: torch's own table of them takes seconds to make
        counts[_short(event.name())] += 1
    if place.trace is not None and file:
        place.trace.mkdir(parents=True, exist_ok=True)
        kept = "".join(letter if letter.isalnum() else "_" for letter in file)
        profiler.export_chrome_trace(str(place.trace / f"{kept}.json.gz"))
    return counts


def _short(name: str) -> str:
    """An event's name; copies without what they copy between."""
    return name.split(" (", maxsplit=1)[0]
