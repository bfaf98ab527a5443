"""Runs that are timed: plain diffusers and the engine on the very same weights in the device's memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.benchmarks.accelerator.models import Subject, plain_pipeline
from tests.benchmarks.accelerator.timing import Marks, Timed, rate

if TYPE_CHECKING:
    from jupyter_latents.engine import Observer
    from jupyter_latents.engine.local import LocalEngine
    from jupyter_latents.stage import Stage

__all__ = ["Run", "engine_run", "latents_equal", "plain_for", "plain_run", "summary"]


@dataclass(slots=True)
class Run:
    """One run.

    Attributes:
        rate: Steps a second, between the first and the last step's end.
        whole: Seconds of all, with texts and decoding.
        latents: What it ended with, on the CPU.
        more: What else is known of it.
    """

    rate: float
    whole: float
    latents: Any
    more: dict[str, Any] = field(default_factory=dict)


def plain_for(engine: LocalEngine, subject: Subject) -> Any:
    """Plain diffusers' pipeline over the parts that the engine holds."""
    parts = engine.cache.load(subject.stage().model).parts
    return plain_pipeline(subject, parts)


def plain_run(pipeline: Any, subject: Subject, steps: int | None = None) -> Run:
    """A run of plain diffusers with a callback that marks the steps and keeps the last latents."""
    marks, last = Marks(subject.device), list[Any]()

    def told(_pipeline: Any, _step: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        marks.mark()
        last[:] = [values["latents"]]
        return {}

    begun = time.perf_counter()
    pipeline(**subject.call(steps), callback_on_step_end=told, callback_on_step_end_tensor_inputs=["latents"])
    _wait(subject.device)
    whole = time.perf_counter() - begun
    return Run(rate(marks.seconds()), whole, last[0].cpu())


def engine_run(
    engine: LocalEngine, subject: Subject, watch: Callable[[], Observer] | None = None, stage: Stage | None = None
) -> Run:
    """A run of the engine.

    Args:
        engine: It.
        subject: The model.
        watch: Makes who watches; None for nobody.
        stage: What it runs; None for the model's own.
    """
    watcher = watch() if watch is not None else None
    timed = Timed(subject.device, watcher)
    begun = time.perf_counter()
    result = engine.run(stage or subject.stage(), observer=timed)
    _wait(subject.device)
    whole = time.perf_counter() - begun
    return Run(rate(timed.marks.seconds()), whole, result.latents.tensor, {"watcher": watcher})


def summary(runs: list[Run], beside: list[Run] | None = None) -> dict[str, Any]:
    """Medians of runs, and of their ratios to those beside them, round by round.

    Args:
        runs: One a round.
        beside: Another case's, same rounds; None for none.
    """
    rates = [run.rate for run in runs]
    row: dict[str, Any] = {
        "rounds": len(runs),
        "steps/s": round(statistics.median(rates), 3),
        "least": round(min(rates), 3),
        "most": round(max(rates), 3),
        "seconds": round(statistics.median(run.whole for run in runs), 4),
    }
    if beside is not None:
        ratios = sorted(one.rate / other.rate for one, other in zip(runs, beside, strict=False))
        row |= {"of plain": round(statistics.median(ratios), 4), "ratios": [round(one, 4) for one in ratios]}
        wholes = [one.whole / other.whole for one, other in zip(runs, beside, strict=False)]
        row["seconds of plain"] = round(statistics.median(wholes), 4)
    return row


def latents_equal(plain: Any, ours: Any) -> bool:
    """Whether both hold the same values; plain Flux holds tokens, in another order."""
    import torch

    if plain.shape == ours.shape:
        return torch.equal(plain, ours)
    return torch.equal(plain.flatten().sort().values, ours.flatten().sort().values)


def _wait(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()
