"""Interleaved repeats and their medians: machines drift, ratios taken side by side do not."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Measured", "interleaved", "ratio"]


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


def interleaved(
    cases: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Measured]:
    """Times each case so many times, one after the other in each round, after one round that is not counted.

    Each round begins with another case, so that none is always the one behind the same other.

    Args:
        cases: Name to what is timed.
        repeats: Rounds that count.
        clock: Seconds; ``time.process_time`` where other programs use the machine and one thread does the work.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for number in range(repeats + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = clock()
            cases[name]()
            if number:
                seconds[name].append(clock() - start)
    return {name: Measured(tuple(taken)) for name, taken in seconds.items()}


def ratio(first: Measured, second: Measured) -> str:
    """The median of the ratios round by round, and the range of all but their extremes."""
    ratios = sorted(one / other for one, other in zip(first.seconds, second.seconds, strict=True))
    inner = ratios[1:-1] or ratios
    return f"{statistics.median(ratios):.3f} ({inner[0]:.3f} to {inner[-1]:.3f})"
