"""Peak memory of the device with each kind of offload, against none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.benchmarks.accelerator.models import subject
from tests.benchmarks.accelerator.runs import engine_run
from tests.benchmarks.accelerator.speed import NAMES

if TYPE_CHECKING:
    from tests.benchmarks.accelerator.place import Place

__all__ = ["offload"]

_STEPS = 3


def offload(place: Place) -> None:
    """Each kind with an engine of its own, nothing loaded before; ``torch.cuda.max_memory_allocated``."""
    from jupyter_latents.engine.local import LocalEngine

    name = NAMES[1]
    if not place.wants(name):
        return
    place.result.facts |= {"model": name, "steps": _STEPS}
    expected: Any = None
    for kind, more in (
        ("none", {}),
        ("none, VAE tiling", {"vae_tiling": True}),
        ("model", {"offload": "model"}),
        ("group", {"offload": "group"}),
        ("sequential", {"offload": "sequential"}),
    ):
        if not place.has_time(15, f"offload {kind}"):
            continue
        with place.row(offload=kind) as row:
            one = subject(place, name)
            place.free()
            before = _allocated(place, fresh=True)
            engine, begun = LocalEngine(), time.perf_counter()
            run = engine_run(engine, one, None, one.stage(_STEPS, **more))
            row.update(
                {
                    "peak bytes": _peak(place) - before,
                    "held before": before,
                    "seconds with loading": round(time.perf_counter() - begun, 2),
                    "steps/s": round(run.rate, 4),
                }
            )
            expected = run.latents if expected is None else expected
            row["equal to none"] = bool((run.latents == expected).all())
            engine.unload()
            del engine, run
        place.free()


def _allocated(place: Place, *, fresh: bool = False) -> int:
    import torch

    if not place.on_cuda:
        return 0
    if fresh:
        torch.cuda.reset_peak_memory_stats()
    return int(torch.cuda.memory_allocated())


def _peak(place: Place) -> int:
    import torch

    return int(torch.cuda.max_memory_allocated()) if place.on_cuda else 0
