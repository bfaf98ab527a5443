"""How far a step is from the chip's matrix rate."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.benchmarks.accelerator.models import subject
from tests.benchmarks.accelerator.runs import plain_for, plain_run
from tests.benchmarks.accelerator.speed import NAMES
from tests.benchmarks.accelerator.timing import Marks

if TYPE_CHECKING:
    from tests.benchmarks.accelerator.place import Place

__all__ = ["chip"]


def chip(place: Place) -> None:
    """The rate of a bf16 product of 8192 × 8192 matrices, and that of each denoiser by its counted operations."""
    from jupyter_latents.engine.local import LocalEngine

    with place.row(what="bf16 matrix product") as row:
        product = _product_rate(place)
        row.update({"side": 256 if place.tiny else 8192, "TFLOP/s": round(product / 1e12, 3)})
    for name in NAMES:
        if not place.has_time(8, f"{name}: not begun"):
            continue
        engine = LocalEngine()
        with place.row(what="denoiser", model=name) as row:
            one = subject(place, name)
            pipeline = plain_for(engine, one)
            module = getattr(pipeline, "unet", None) or pipeline.transformer
            given = _arguments(module, lambda pipeline=pipeline, one=one: plain_run(pipeline, one, 2))
            operations = _operations(module, given)
            seconds = _seconds(place, lambda module=module, given=given: _call(module, given), 2 if place.tiny else 10)
            row.update(
                {
                    "TFLOP": round(operations / 1e12, 4),
                    "milliseconds": round(seconds * 1000, 3),
                    "TFLOP/s": round(operations / seconds / 1e12, 3),
                }
            )
            if product:
                row["of the product's rate"] = round(operations / seconds / product, 4)
            steps = plain_run(pipeline, one)
            row["of a step"] = round(seconds * steps.rate, 4)
        pipeline = module = given = None
        del engine
        place.free()


def _product_rate(place: Place) -> float:
    import torch

    side = 256 if place.tiny else 8192
    generator = torch.Generator(place.device).manual_seed(0)
    first, second = (
        torch.randn(side, side, generator=generator, device=place.device).to(torch.bfloat16) for _ in range(2)
    )
    return 2 * side**3 / _seconds(place, lambda: first @ second, 3 if place.tiny else 20)


def _seconds(place: Place, go: Callable[[], object], times: int) -> float:
    """The median of so many calls, after three that are not counted."""
    for _ in range(3):
        go()
    marks = Marks(place.device)
    marks.mark()
    for _ in range(times):
        go()
        marks.mark()
    return statistics.median(marks.seconds())


def _arguments(module: Any, go: Callable[[], object]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a pipeline calls its denoiser with."""
    found: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def note(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found.append((args, kwargs))

    hook = module.register_forward_pre_hook(note, with_kwargs=True)
    try:
        go()
    finally:
        hook.remove()
    return found[-1]


def _call(module: Any, given: tuple[tuple[Any, ...], dict[str, Any]]) -> object:
    import torch

    with torch.no_grad():
        return module(*given[0], **given[1])


def _operations(module: Any, given: tuple[tuple[Any, ...], dict[str, Any]]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        _call(module, given)
    return int(counter.get_total_flops())
