"""Points of a run, ``0.6``, ``12`` or ``sigma=0.875``, and guidance that changes at them, ``7@0,2@0.6``.

`stage` uses them for what it is given in plain Python, `syntax` for scripts, `engine` turns them into steps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from jupyter_latents.errors import SettingError

__all__ = [
    "MOST_STEPS", "BoundaryPoint", "Fault", "Point", "Scales", "SigmaPoint", "StepPoint", "before", "first_scale",
    "largest_scale", "point_of", "read_point", "read_scales",
    "rough_step", "scales_in", "scales_of",
]  # fmt: skip

MOST_STEPS = 1_000_000
"""The last step that can be named."""
MOST_SCALE = 1e6
"""The highest guidance scale."""
_SIGMA = re.compile(r"(?:sigma\s*=|σ\s*=?)\s*(.*)", re.IGNORECASE | re.DOTALL)
_ALLOWED = "a fraction, 0 or more and at most 1; a step from 2 on; or a noise level such as sigma=0.875"


@dataclass(frozen=True, slots=True)
class StepPoint:
    """A point where so many whole steps of the schedule are done.

    Attributes:
        step: From 2 on; 1 is the end, as a fraction.
    """

    step: int

    def __str__(self) -> str:
        return str(self.step)

    def __format__(self, _spec: str) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class SigmaPoint:
    """The first point of the schedule whose noise level is a given one or lower.

    Attributes:
        sigma: In the form that the schedule shows: a flow sigma of 0 to 1, else the VE sigma.
    """

    sigma: float

    def __str__(self) -> str:
        return f"sigma={_short(self.sigma)}"

    def __format__(self, _spec: str) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class BoundaryPoint:
    """The point where the two experts of a model meet."""

    def __str__(self) -> str:
        return "boundary"

    def __format__(self, _spec: str) -> str:
        return str(self)


Point: TypeAlias = float | StepPoint | SigmaPoint | BoundaryPoint
"""A point of a run; a number is a fraction of 0 to 1."""

Fault: TypeAlias = Callable[[str, int, int], Exception]
"""Makes an error of a message and of the offset and length of the part of a text that is to blame."""


def _plain_fault(message: str, _start: int, _length: int) -> Exception:
    return SettingError(message)


def read_point(text: str, fault: Fault = _plain_fault) -> Point:
    """Reads a point.

    Args:
        text: ``0.6``, ``12``, ``sigma=0.875``, ``σ0.875`` or ``boundary``; ``1`` and ``1.0`` are the end.
        fault: Makes the error to raise.

    Raises:
        SettingError: It is none; or what `fault` makes.
    """
    given, level = text.strip(), _SIGMA.fullmatch(text.strip())
    if given.lower() == "boundary":
        return BoundaryPoint()
    value = _number(given if level is None else level[1])
    if level is not None and value >= 0:
        return SigmaPoint(value)
    if level is None and 0 <= value <= 1:
        return value
    if level is None and value == int(value if math.isfinite(value) else 0) and 2 <= value <= MOST_STEPS:
        return StepPoint(int(value))
    raise fault(f"'{given}' is not allowed; give {_ALLOWED}.", 0, max(1, len(text)))


def point_of(value: Point | str | None) -> Point | None:
    """What a field that takes a point was given: text is read, a whole number from 2 on is a step.

    Raises:
        SettingError: It is no point.
    """
    if value is None or isinstance(value, (StepPoint, SigmaPoint, BoundaryPoint)):
        return value
    return read_point(value if isinstance(value, str) else repr(value))


def before(first: Point, second: Point) -> bool | None:
    """Whether a point comes before another one in every schedule that denoises; None where that depends on it."""
    if isinstance(first, float | int) and isinstance(second, float | int):
        return first < second
    if isinstance(first, StepPoint) and isinstance(second, StepPoint):
        return first.step < second.step
    if isinstance(first, SigmaPoint) and isinstance(second, SigmaPoint):
        return first.sigma > second.sigma
    if second == 1.0:
        return True
    return False if first == 1.0 else None


def rough_step(point: Point | None, steps: int, otherwise: int) -> int:
    """The step of a point, as far as it can be told from the number of steps.

    Args:
        point: The point; None for none.
        steps: Steps of the whole schedule.
        otherwise: What stands for no point, for a noise level and for the boundary of experts.
    """
    if point is None or isinstance(point, (SigmaPoint, BoundaryPoint)):
        return otherwise
    return min(steps, point.step) if isinstance(point, StepPoint) else int(point * steps + 1e-6)


@dataclass(frozen=True, slots=True)
class Scales:
    """Guidance scales, each from a point of the run on.

    Attributes:
        parts: Scale and point, the first at 0.
    """

    parts: tuple[tuple[float, Point], ...]

    def __str__(self) -> str:
        return ",".join(f"{_short(scale)}@{_short(point)}" for scale, point in self.parts)

    def __format__(self, _spec: str) -> str:
        return str(self)


def read_scales(text: str, fault: Fault = _plain_fault) -> float | Scales:
    """Reads a guidance scale, or several that hold from points of the run on.

    Args:
        text: ``7``, or ``7@0,2@0.6``.
        fault: Makes the error to raise.

    Raises:
        SettingError: It is none, or its points do not follow each other; or what `fault` makes.
    """
    if "@" not in text and "," not in text:
        return _scale(text, 0, fault)
    parts: list[tuple[float, Point]] = []
    places: list[tuple[int, int]] = []
    for start, part in _split(text):
        scale, at, point = part.partition("@")
        if not part.strip():
            raise fault(f"'{text}' has nothing beside a comma; take it out.", start, max(1, len(part)))
        if not at and parts:
            raise fault(f"'{part.strip()}' does not say from where on; write {part.strip()}@0.6.", start, len(part))
        offset = start + len(scale) + 1
        found = read_point(point, _moved(fault, offset)) if at else 0.0
        parts.append((_scale(scale, start, fault), found))
        places.append((offset, len(point)) if at else (start, len(part)))
    if parts[0][1] != 0:
        raise fault(
            f"'{text}' does not say with which scale the run begins; its first part stands @0.", places[0][0],
            places[0][1],
        )  # fmt: skip
    for number, ((_, one), (_, other)) in enumerate(pairwise(parts), 1):
        if one == other or before(one, other) is False:
            raise fault(f"@{_short(other)} does not come after @{_short(one)}; write them in order.", *places[number])
    return Scales(tuple(parts)) if len(parts) > 1 else parts[0][0]


def first_scale(guidance: float | Scales) -> float:
    """The scale that a run begins with."""
    return guidance.parts[0][0] if isinstance(guidance, Scales) else guidance


def largest_scale(guidance: float | Scales) -> float:
    """The largest of its scales."""
    return max(scale for scale, _ in guidance.parts) if isinstance(guidance, Scales) else guidance


def scales_in(text: object, otherwise: float) -> float | Scales:
    """The guidance that a file's text says, which may say anything.

    Args:
        text: The text.
        otherwise: The guidance where it says none.
    """
    try:
        return read_scales(text) if isinstance(text, str) else otherwise
    except SettingError:
        return otherwise


def scales_of(value: float | Scales | str) -> float | Scales:
    """What a field that takes guidance was given, read where it is text.

    Raises:
        SettingError: The text says no guidance.
    """
    return read_scales(value) if isinstance(value, str) else value


def _split(text: str) -> Iterator[tuple[int, str]]:
    """The parts between commas, with their offsets."""
    start = 0
    for part in text.split(","):
        yield start, part
        start += len(part) + 1


def _moved(fault: Fault, offset: int) -> Fault:
    return lambda message, start, length: fault(message, offset + start, length)


def _scale(text: str, start: int, fault: Fault) -> float:
    value = _number(text.strip())
    if not 0 <= value <= MOST_SCALE:
        limits = f"at most {MOST_SCALE:g}" if value > 0 else "0 or more"
        raise fault(f"'{text.strip()}' is not allowed; give a number, {limits}.", start, max(1, len(text)))
    return value


def _number(text: str) -> float:
    """A number; one that is smaller than all others where there is none."""
    try:
        value = float(text)
    except ValueError:
        return -math.inf
    return value if math.isfinite(value) else -math.inf


def _short(value: Point) -> str:
    """A number as short as reads back the same."""
    if not isinstance(value, float):
        return str(value)
    short = f"{value:.15g}"
    return short if float(short) == value else repr(value)
