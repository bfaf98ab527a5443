"""The sections in order, what tells most first, and the share of the whole time of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.benchmarks.accelerator.chip import chip
from tests.benchmarks.accelerator.gains import compiling, gains
from tests.benchmarks.accelerator.law import law
from tests.benchmarks.accelerator.loading import loading
from tests.benchmarks.accelerator.memory import offload
from tests.benchmarks.accelerator.speed import speed
from tests.benchmarks.accelerator.trace import trace

if TYPE_CHECKING:
    from tests.benchmarks.accelerator.place import Place

__all__ = ["SECTIONS", "Section"]


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the programme.

    Attributes:
        go: Measures it.
        share: Seconds of 500; what an earlier section leaves goes to those after it, by their shares.
    """

    go: Callable[[Place], None]
    share: float


SECTIONS: dict[str, Section] = {
    "speed": Section(speed, 130),
    "trace": Section(trace, 60),
    "law": Section(law, 110),
    "chip": Section(chip, 30),
    "loading": Section(loading, 50),
    "offload": Section(offload, 40),
    "gains": Section(gains, 50),
    "compiling": Section(compiling, 50),
}
"""Name to section."""
