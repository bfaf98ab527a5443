"""What each form of ``--optimize`` gains, against the engine without it in the same rounds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.optimizations import OPTIMIZATIONS
from tests.benchmarks.accelerator.models import Subject, subject
from tests.benchmarks.accelerator.runs import Run, engine_run, summary
from tests.benchmarks.accelerator.speed import NAMES

if TYPE_CHECKING:
    from jupyter_latents.engine.local import LocalEngine
    from tests.benchmarks.accelerator.place import Place

__all__ = ["compiling", "gains"]

_ROUNDS = 2


def gains(place: Place) -> None:
    """All forms but ``compile``, which has a section of its own."""
    for name in (NAMES[0], NAMES[2], NAMES[1]):
        for choice in OPTIMIZATIONS:
            if choice != "compile" and place.has_time(7, f"{name}: {choice}"):
                _gain(place, name, choice)
        place.free()


def compiling(place: Place) -> None:
    """``compile``, its first run's seconds beside."""
    for name in (NAMES[2], NAMES[0]):
        if not place.tiny and place.has_time(25, f"{name}: compile"):
            _gain(place, name, "compile")
        place.free()
    if place.tiny:
        place.result.cut.append("compile: not on toys")


def _gain(place: Place, name: str, choice: str) -> None:
    from jupyter_latents.engine.local import LocalEngine

    with place.row(model=name, optimize=choice) as row:
        one, engine = subject(place, name), LocalEngine()
        try:
            _measure(place, row, engine, one, choice)
        except JupyterLatentsError as error:
            if getattr(error, "option", None) != "optimize":
                raise
            row["refused"] = str(error).replace(str(one.folder), name)[:200]
        finally:
            engine.unload()


def _measure(place: Place, row: dict[str, Any], engine: LocalEngine, one: Subject, choice: str) -> None:
    import torch

    stage = one.stage(optimize=(choice,))
    engine_run(engine, one)
    begun = time.perf_counter()
    made = engine_run(engine, one, None, stage)
    row["first run, seconds"] = round(time.perf_counter() - begun, 2)
    plain, with_it = list[Run](), list[Run]()
    for _ in range(1 if place.tiny else _ROUNDS):
        plain.append(engine_run(engine, one))
        with_it.append(engine_run(engine, one, None, stage))
    row.update(summary(with_it, plain))
    difference = (made.latents.double() - plain[0].latents.double()).norm() / plain[0].latents.double().norm()
    row["relative difference"] = float(f"{float(difference):.3g}")
    row["twice"] = torch.equal(made.latents, with_it[0].latents)
