"""The sections in order, what tells most first, and the share of the whole time of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.benchmarks.accelerator.chip import chip
from tests.benchmarks.accelerator.gains import compiling, gains
from tests.benchmarks.accelerator.law import DTYPES, law
from tests.benchmarks.accelerator.loading import loading
from tests.benchmarks.accelerator.memory import offload
from tests.benchmarks.accelerator.speed import NAMES, speed
from tests.benchmarks.accelerator.steering import steering
from tests.benchmarks.accelerator.trace import trace

if TYPE_CHECKING:
    from tests.benchmarks.accelerator.place import Place

__all__ = ["SECTIONS", "Section", "check"]


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
    "speed": Section(speed, 120),
    "trace": Section(trace, 60),
    "law": Section(law, 90),
    "steering": Section(steering, 40),
    "chip": Section(chip, 30),
    "loading": Section(loading, 40),
    "offload": Section(offload, 40),
    "gains": Section(gains, 50),
    "compiling": Section(compiling, 50),
}
"""Name to section."""


def check(only: Sequence[str], families: Sequence[str], models: Sequence[str]) -> None:
    """Refuses names that are none.

    Args:
        only: Sections.
        families: Tiny families of the law.
        models: How names of models of real size begin.

    Raises:
        SystemExit: One is not known.
    """
    for given, known, what in ((only, SECTIONS, "section"), (families, DTYPES, "family"), (models, NAMES, "model")):
        for name in given:
            if not any(one.startswith(name) if what == "model" else one == name for one in known):
                raise SystemExit(f"no {what} {name!r}; there are {', '.join(known)}.")
