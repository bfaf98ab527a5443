"""Seconds to load a model from a safetensors folder and to its first step: cold, from the file cache, the shelf."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine.observer import Silent
from tests.benchmarks.accelerator.models import Subject, plain_pipeline, subject
from tests.benchmarks.accelerator.speed import NAMES

if TYPE_CHECKING:
    from jupyter_latents.engine import Look, StepEvent
    from jupyter_latents.engine.local import LocalEngine
    from tests.benchmarks.accelerator.place import Place

__all__ = ["loading"]


def loading(place: Place) -> None:
    """Loading and one run of two steps, timed to the end of its first; plain diffusers beside the engine."""
    from jupyter_latents.engine.local import LocalEngine

    for name in NAMES[:2]:
        if not place.has_time(20, f"{name}: not begun"):
            continue
        with place.row(model=name, case="made") as row:
            one = subject(place, name)
            row["file bytes"] = one.facts["file bytes"]
        if name not in place.subjects:
            continue
        engine = LocalEngine()
        for case in (
            "plain diffusers, cold", "engine, cold", "plain diffusers, from the file cache",
            "engine, from the file cache", "engine, from the shelf", "engine, from the shelf in RAM",
        ):  # fmt: skip
            if not place.has_time(8, f"{name}: {case}"):
                continue
            with place.row(model=name, case=case) as row:
                place.free()
                if case.endswith("cold"):
                    row["left the cache"] = _forget(one.folder)
                if case in ("engine, cold", "engine, from the file cache"):
                    engine.unload()
                    engine = LocalEngine()
                if case.endswith("in RAM") and place.on_cuda:
                    _to_ram(engine, one)
                place.free()
                row.update(_plain(place, one) if case.startswith("plain") else _engine(place, engine, one))
        engine.unload()
        del engine
        place.free()


def _engine(place: Place, engine: LocalEngine, one: Subject) -> dict[str, Any]:
    begun = time.perf_counter()
    model = engine.cache.load(one.stage().model)
    place.synchronize()
    loaded = time.perf_counter() - begun
    first = _First(place)
    engine.run(one.stage(2), observer=first)
    del model
    return {"seconds to load": round(loaded, 3), "seconds to the first step": round(first.at - begun, 3)}


def _plain(place: Place, one: Subject) -> dict[str, Any]:
    begun, at = time.perf_counter(), list[float]()
    pipeline = plain_pipeline(one).to(place.device)
    place.synchronize()
    loaded = time.perf_counter() - begun

    def told(_pipeline: Any, _step: int, _timestep: Any, _values: dict[str, Any]) -> dict[str, Any]:
        place.synchronize()
        at.append(time.perf_counter())
        return {}

    pipeline(**one.call(2), callback_on_step_end=told, output_type="latent")
    return {"seconds to load": round(loaded, 3), "seconds to the first step": round(at[0] - begun, 3)}


class _First(Silent):
    """Notes when the first step is done on the device."""

    def __init__(self, place: Place) -> None:
        self._place, self.at = place, 0.0

    def step(self, event: StepEvent, look: Look) -> None:
        """Waits for the device after the first step."""
        if not self.at:
            self._place.synchronize()
            self.at = time.perf_counter()


def _to_ram(engine: LocalEngine, one: Subject) -> None:
    """Lets the idle parts leave the device, which they do to RAM."""
    from jupyter_latents.engine.models.memory import device_of

    engine.cache.let_idle_go(device_of(one.device))


def _forget(folder: Path) -> bool:
    """Asks the system to drop a folder's files from its cache; says whether it could be asked."""
    if not hasattr(os, "posix_fadvise"):
        return False
    for path in folder.rglob("*.safetensors"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    return True
