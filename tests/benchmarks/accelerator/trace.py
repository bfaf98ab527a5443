"""What the engine and its previews make the processor wait for: counts of the profiler, a step and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tests.benchmarks.accelerator.models import subject
from tests.benchmarks.accelerator.runs import engine_run, plain_for, plain_run
from tests.benchmarks.accelerator.speed import NAMES, watcher
from tests.benchmarks.accelerator.timing import MARK

if TYPE_CHECKING:
    from jupyter_latents.engine.local import LocalEngine
    from tests.benchmarks.accelerator.place import Place

__all__ = ["trace"]

COUNTED = (
    "cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "aten::item",
    "aten::_local_scalar_dense", "Memcpy DtoH", "Memcpy HtoD", "aten::is_nonzero", "aten::_to_copy",
    "cudaLaunchKernel",
)  # fmt: skip
_STEPS = 6
_KEPT = [(NAMES[0], case) for case in ("plain diffusers", "engine", "engine, watched")]
"""Whose Chrome traces are kept: what comes back from such a machine is few files."""


def trace(place: Place) -> None:
    """Counts what the processor does between the ends of the first and the last step, and in the whole run."""
    from jupyter_latents.engine.local import LocalEngine

    place.result.facts |= {"counted": f"between the ends of the first and the last of {_STEPS} steps, a step"}
    for name in filter(place.wants, NAMES if not place.tiny else NAMES[:1]):
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
    go(_STEPS)  # the first of its kind
    file = f"{name} {case}" if (name, case) in _KEPT else ""
    whole, between, steps = _profiled(place, lambda: go(_STEPS), file)
    a_step = {key: count / steps for key, count in between.items()}
    row["a step"] = {name: a_step.get(name, 0.0) for name in COUNTED}
    row["whole run"] = {name: whole.get(name, 0) for name in COUNTED}
    waits = ("Synchronize", "item", "_local_scalar_dense", "Memcpy", "nonzero")
    found = {key: value for key, value in a_step.items() if value and any(word in key for word in waits)}
    row["top"] = dict(sorted(found.items(), key=lambda pair: -pair[1])[:12])


def _profiled(place: Place, go: Callable[[], object], file: str) -> tuple[Counter[str], Counter[str], int]:
    """Counts of the whole run, those between the first and the last mark, and how many steps these are."""
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if place.on_cuda else [])]
    with profile(activities=activities) as profiler:
        go()
    results: Any = profiler.profiler
    counts = counted(list(results.kineto_results.events()))  # torch's own table of them takes seconds to make
    if place.trace is not None and file:
        place.trace.mkdir(parents=True, exist_ok=True)
        kept = "".join(letter if letter.isalnum() else "_" for letter in file)
        profiler.export_chrome_trace(str(place.trace / f"{kept}.json.gz"))
    return counts


def counted(events: Sequence[Any]) -> tuple[Counter[str], Counter[str], int]:
    """Names of events with how often there are such: in all, and begun between the ends of the first and the last step.

    What runs on the device counts when the processor asked for it.

    Args:
        events: A profile's, as kineto gives them.
    """
    asked = {one.correlation_id(): one.start_ns() for one in events if one.name().startswith("cuda")}
    marks = sorted(one.start_ns() for one in events if one.name() == MARK and not _on_device(one))
    first, last = (marks[0], marks[-1]) if marks else (0, 0)
    whole, between = Counter[str](), Counter[str]()
    for one in events:
        name = one.name().split(" (", maxsplit=1)[0]  # copies without what they copy between
        whole[name] += 1
        begun = asked.get(one.correlation_id(), one.start_ns()) if _on_device(one) else one.start_ns()
        between[name] += first < begun <= last
    return whole, between, max(1, len(marks) - 1)


def _on_device(event: Any) -> bool:
    return "CPU" not in str(event.device_type())
