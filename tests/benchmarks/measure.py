"""Interleaved repeats and their medians: machines drift, ratios taken side by side do not."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Measured", "interleaved"]


@dataclass(frozen=True)
class Measured:
    """Seconds of each repeat, in order.

    Attributes:
        seconds: One number a repeat.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median, in seconds."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        return f"{self.median * 1000:.0f} ms ({min(self.seconds) * 1000:.0f} to {max(self.seconds) * 1000:.0f})"


def interleaved(cases: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Measured]:
    """Times each case so many times, one after the other in each round, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(repeats + 1):
        for name, work in cases.items():
            start = time.perf_counter()
            work()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: Measured(tuple(taken)) for name, taken in seconds.items()}


def ratio(first: Measured, second: Measured) -> str:
    """The median of the ratios round by round."""
    ratios = [one / other for one, other in zip(first.seconds, second.seconds, strict=True)]
    return f"{statistics.median(ratios):.2f}"
