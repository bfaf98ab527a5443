"""How option values are read: each parser takes the text and a locator, and returns the value or raises."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from jupyter_latents.errors import Place, ScriptError, SettingError, nearest
from jupyter_latents.optimizations import choice_of
from jupyter_latents.points import read_point, read_scales
from jupyter_latents.processing import AND, ELSEWHERE, IDLE, check_processor
from jupyter_latents.prompts import weighter_of
from jupyter_latents.samplers import SAMPLERS, difference, exact_sampler, sampler
from jupyter_latents.stage import EXPRESSION, Address, Point, Scales, Size
from jupyter_latents.syntax.addresses import parse_address
from jupyter_latents.syntax.names import python_name
from jupyter_latents.syntax.templates.marks import undrawn_in
from jupyter_latents.syntax.text.located import Locator
from jupyter_latents.wording import option

from .names import unbindable

__all__ = [
    "Parser", "address", "choice", "device", "guidance", "identifier", "image_processor", "number", "optimization",
    "point", "post_processor", "prefix", "scheduler", "seed", "sigmas", "size", "text", "weighter", "whole",
]  # fmt: skip

Parser: TypeAlias = Callable[[str, Locator], Any]

_SCHEDULER = re.compile(r"[A-Za-z_]\w*")


def _at(value: str, locate: Locator) -> Place | None:
    return locate(0, max(1, len(value)))


def text(value: str, locate: Locator) -> str:
    """Any text that is not empty."""
    if not value.strip():
        raise ScriptError("The value is empty; give a text, or leave the option out.", place=_at(value, locate))
    return value.strip()


def prompt(value: str, _locate: Locator) -> str:
    """Any text, the empty one too."""
    return value


def identifier(value: str, locate: Locator) -> str:
    """A Python name that nobody else needs."""
    name = python_name(value)
    reason = unbindable(name)
    if reason:
        raise ScriptError(f"'{value}' cannot be a kernel variable: {reason}.", place=_at(value, locate))
    return name


_PREFIX_BYTES = 100


def prefix(value: str, locate: Locator) -> str:
    """The start of a file's name, which names no folder."""
    found = text(value, locate)
    if re.search(r"[/\\:\x00-\x1f\x7f]", found):
        raise ScriptError(
            f"'{found}' cannot start a file's name: it names no folder and holds no / \\ or :. "
            f"Name the folder by {option('output_path')}.",
            place=_at(value, locate),
        )
    if len(found.encode(errors="surrogatepass")) > _PREFIX_BYTES:
        raise ScriptError(
            f"'{found[:20]}…' is too long for the start of a file's name; give {_PREFIX_BYTES} bytes at most.",
            place=_at(value, locate),
        )
    return found


def whole(least: int, unit: str = "", *, most: int | None = None) -> Parser:
    """Whole numbers of at least `least`, and at most `most`."""

    def parse(value: str, locate: Locator) -> int:
        found = int(value) if re.fullmatch(r"[+-]?\d{1,30}", value) else least - 1
        if found < least or (most is not None and found > most):
            what = f"whole number of {unit}" if unit else "whole number"
            limits = f"{least} or more" if most is None or found < least else f"{least} to {most}"
            raise ScriptError(f"'{value}' is not allowed; give a {what}, {limits}.", place=_at(value, locate))
        return found

    return parse


_SEED = whole(0, most=2**64 - 1)


def seed(value: str, locate: Locator) -> int:
    """A seed, as torch's generators take it; in a plan also one that the run is yet to draw."""
    undrawn = undrawn_in(value)
    return _SEED(value, locate) if undrawn is None else undrawn


def number(least: float | None = None, *, above: float | None = None, most: float | None = None) -> Parser:
    """Finite numbers in a range; the bounds themselves are allowed except `above`."""
    bounds = [f"{least:g} or more" if least is not None else "", f"above {above:g}" if above is not None else ""]
    limits = " and ".join(part for part in [*bounds, f"at most {most:g}" if most is not None else ""] if part)

    def parse(value: str, locate: Locator) -> float:
        try:
            parsed = float(value)
        except ValueError:
            parsed = math.nan
        low = (least is not None and parsed < least) or (above is not None and parsed <= above)
        if not math.isfinite(parsed) or low or (most is not None and parsed > most):
            wanted = f"a number, {limits}" if limits else "a number"
            raise ScriptError(f"'{value}' is not allowed; give {wanted}.", place=_at(value, locate))
        return parsed

    return parse


def _fault(locate: Locator) -> Callable[[str, int, int], ScriptError]:
    return lambda message, start, length: ScriptError(message, place=locate(start, max(1, length)))


def point(value: str, locate: Locator) -> Point:
    """A point of the run: a fraction of 0 to 1, a step from 2 on, or a noise level, ``sigma=0.875``."""
    return read_point(value, _fault(locate))


def guidance(value: str, locate: Locator) -> float | Scales:
    """A guidance scale, or several from points of the run on, ``7@0,2@0.6``."""
    return read_scales(value, _fault(locate))


def size(value: str, locate: Locator) -> Size:
    """A picture size, ``512`` or ``512x768``, in multiples of 8 pixels."""
    match = re.fullmatch(r"(\d{1,6})(?:[xX](\d{1,6}))?", value.strip())
    if not match:
        negative = re.fullmatch(r"-\d+([xX]-?\d+)?|\d+[xX]-\d+", value.strip())
        what = "is negative" if negative else "is no size"
        raise ScriptError(f"'{value}' {what}; write 512 or 512x768, in pixels.", place=_at(value, locate))
    made = Size(int(match[1]), int(match[2] or match[1]))
    for side in (made.width, made.height):
        if side < 8:
            text = f"'{value}' is too small: a side has 8 pixels or more; write 512 or 512x768."
            raise ScriptError(text, place=_at(value, locate))
        if side % 8:
            raise ScriptError(
                f"{side} pixels is no multiple of 8; the nearest that is: {round(side / 8) * 8}.",
                place=_at(value, locate),
            )
    return made


def cells(value: str, locate: Locator) -> Size:
    """Columns and rows of a grid, ``3x2``, or ``2`` for as many of both."""
    match = re.fullmatch(r"([1-9]\d{0,3})(?:[xX]([1-9]\d{0,3}))?", value.strip())
    if not match:
        raise ScriptError(
            f"'{value}' is no grid; write columns and rows, such as 3x2, each 1 or more.", place=_at(value, locate)
        )
    return Size(int(match[1]), int(match[2] or match[1]))


def choice(allowed: Mapping[str, str | None], what: str, elsewhere: Mapping[str, str] = MappingProxyType({})) -> Parser:
    """One of the names in `allowed`, whose values are what it is taken as; `elsewhere` says why others are none."""

    def parse(value: str, locate: Locator) -> str | None:
        found = value.strip().lower()
        if found in elsewhere:
            known = ", ".join(dict.fromkeys(name for name in allowed.values() if name))
            raise ScriptError(
                f"{what} '{value}' does not run here: {elsewhere[found]}. Known: {known}.", place=_at(value, locate)
            )
        if found not in allowed:
            names = ", ".join(dict.fromkeys(name for name in allowed.values() if name))
            raise ScriptError(
                f"'{value}' is no {what}{nearest(found, allowed) or '.'} Known: {names}.".replace("?.", "?"),
                place=_at(value, locate),
            )
        return allowed[found]

    return parse


def device(value: str, locate: Locator) -> str:
    """A torch device name, such as ``cpu``, ``cuda`` or ``cuda:1``."""
    if not re.fullmatch(r"(cpu|cuda|mps|xpu)(:\d{1,3})?", value):
        raise ScriptError(f"'{value}' is no device; use cpu, cuda, cuda:1, mps or xpu.", place=_at(value, locate))
    return value


def address(value: str, locate: Locator) -> Address:
    """A name or path with settings, ``NAME;key=value;key=value``."""
    return parse_address(value, locate)


def optimization(value: str, locate: Locator) -> Address:
    """What makes a model faster or smaller, ``NAME`` or ``NAME;key=value``."""
    found = parse_address(value, locate)
    try:
        choice_of(found)
    except SettingError as error:
        raise ScriptError(error.message, place=_at(value, locate)) from error
    return found


def image_processor(value: str, locate: Locator) -> Address:
    """What is done to a picture, ``canny;lower=50``, without what changes nothing; ``+`` for the next picture."""
    name = value.partition(";")[0].strip()
    found = Address(name) if name.lower() in ELSEWHERE else parse_address(value, locate)  # its settings are its own
    if found == Address(AND):
        return found
    kept = Address(found.name, MappingProxyType({key: text for key, text in found.settings.items() if key not in IDLE}))
    try:
        check_processor(kept)
    except SettingError as error:
        raise ScriptError(error.message, place=_at(value, locate)) from error
    return kept


def post_processor(value: str, locate: Locator) -> Address:
    """What is done to the pictures that a stage makes, ``resize;scale=2``."""
    found = image_processor(value, locate)
    if found == Address(AND):
        raise ScriptError(
            "One chain of processors serves all pictures here; take the + away.", place=_at(value, locate)
        )
    return found


def weighter(value: str, locate: Locator) -> Address:
    """What reads weights in prompts, ``a1111``; ``none`` for nothing."""
    found = parse_address(value, locate)
    if found == Address("none"):
        return found
    try:
        weighter_of(found)
    except SettingError as error:
        raise ScriptError(error.message, place=_at(value, locate)) from error
    return found


def scheduler(value: str, locate: Locator) -> Address:
    """A scheduler class name with settings, or a sampler's of A1111 or ComfyUI; it may not exist."""
    found = parse_address(value, locate)
    exact = exact_sampler(found.name)
    if exact is not None:
        own = parse_address(exact)
        return Address(own.name, MappingProxyType({**own.settings, **found.settings}))
    known = sampler(found.name)
    if known is not None:
        differs = difference(found.name).replace(" there", "")
        lacks = f"diffusers has no such sampler: that of A1111 and ComfyUI {differs}. The nearest in kind is"
        text = (
            f"'{found.name}' is no scheduler{f': {lacks} {known!r}; write that.' if differs else f'; write {known!r}.'}"
        )
        raise ScriptError(text, place=_at(value, locate))
    if not _SCHEDULER.fullmatch(found.name):
        near = nearest(found.name, (one.name for one in SAMPLERS)) or "; write a class name such as DDIMScheduler."
        raise ScriptError(f"'{found.name}' is no scheduler name{near}", place=_at(value, locate))
    return found


def sigmas(value: str, locate: Locator) -> tuple[float, ...] | str:
    """Noise levels, ``14.6,7.1,2.9,0.8``, each lower than the one before; or an expression of the schedule's own."""
    if value.strip().startswith(EXPRESSION):
        return _expression(value.strip(), locate)
    parsed: list[float] = []
    offset = 0
    for part in value.split(","):
        shift = offset + len(part) - len(part.lstrip())

        def where(_start: int, length: int, at: int = shift) -> Place | None:
            return locate(at, length)

        parsed.append(number(0)(part.strip(), where))
        if len(parsed) > 1 and parsed[-1] >= parsed[-2]:
            raise ScriptError(
                f"Sigmas fall from step to step; {parsed[-1]:g} is not below {parsed[-2]:g}.",
                place=locate(shift, max(1, len(part.strip()))),
            )
        offset += len(part) + 1
    return tuple(parsed)


def _expression(value: str, locate: Locator) -> str:
    source = value.removeprefix(EXPRESSION).strip()
    try:
        ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ScriptError(f"'{source}' is no expression: {reason}; write {EXPRESSION} sigmas * 0.95.",
                          place=_at(value, locate)) from error  # fmt: skip
    return f"{EXPRESSION} {source}"
