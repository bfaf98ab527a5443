"""How ``--latents-processors`` and its kin are read and written: ``scale;factor=1.2 + noise;sigma=0.5;seed=1``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from jupyter_latents.errors import Place, ScriptError, nearest
from jupyter_latents.processing import AND, IDLE
from jupyter_latents.stage import LatentsProcessor, Stage
from jupyter_latents.syntax.seed_text import Piece, format_reference, reference
from jupyter_latents.syntax.text.located import Locator

from . import parsers

__all__ = ["CHOICES", "INTERPOSED", "chain", "processors", "settings_of_link", "write_link"]

INTERPOSED = {"source": ("v1", "xl", "v3", "fx"), "target": ("v1", "xl", "v3")}
"""The latent spaces that the interposer goes from and to: SD, SDXL, SD3 and Flux, as dgenerate calls them."""


def _space(key: str) -> parsers.Parser:
    def parse(value: str, locate: Locator) -> str:
        if value == "ca":
            raise ScriptError("Latents of Stable Cascade have no model here.", place=locate(0, len(value)))
        found: Any = parsers.choice({name: name for name in INTERPOSED[key]}, f"{key} of the interposer")(value, locate)
        return str(found)

    return parse


def _truth(value: str, locate: Locator) -> str:
    found: Any = parsers.choice({"true": "true", "false": "false"}, "truth value")(value, locate)
    return str(found)


def _corner(value: str, locate: Locator) -> str:
    if not re.fullmatch(r"\d{1,6}[xX]\d{1,6}", value):
        raise ScriptError(f"'{value}' is no place; write LEFTxTOP in pixels, 64x0.", place=locate(0, len(value)))
    return value


def _other(value: str, locate: Locator) -> str:
    reference(Piece(value, 0, locate))
    return value


@dataclass(frozen=True, slots=True)
class _Row:
    """One processor.

    Attributes:
        about: How it is written, with what it does.
        reads: Its settings to how they are read.
        one_of: Of these exactly one is given.
        all_of: All of these are given.
    """

    about: str
    reads: Mapping[str, parsers.Parser]
    one_of: frozenset[str] = field(default_factory=frozenset)
    all_of: tuple[str, ...] = ()


_MOST = 10_000
"""The most that values of latents, which are about 1, are multiplied with, kept within or noised to."""
_ANY = parsers.number(-_MOST, most=_MOST)
_ROWS: Mapping[str, _Row] = MappingProxyType(
    {
        "scale": _Row(
            "scale;factor=1.1",
            {"factor": _ANY, "normalize": _truth, "clamp-min": _ANY, "clamp-max": _ANY},
        ),
        "noise": _Row(
            "noise;sigma=0.5;seed=1",
            {
                "sigma": parsers.number(0, most=_MOST),
                "timestep": parsers.whole(0),
                "seed": parsers.whole(0, most=2**64 - 1),
            },
            frozenset({"sigma", "timestep"}),
        ),
        "upscale": _Row("upscale;factor=2", {"factor": parsers.number(above=0, most=8)}, frozenset({"factor"})),
        "upscaler": _Row(
            "upscaler;model=NAME",
            {
                "model": parsers.text,
                "adain": parsers.number(-10, most=10),
                "tone": parsers.number(0, most=1),
                "steps": parsers.whole(1),
                "guidance": parsers.number(0),
            },
            frozenset({"model"}),
        ),
        "interposer": _Row(
            "interposer;source=v1;target=xl",
            {"source": _space("source"), "target": _space("target"), "model": parsers.text},
            all_of=("source", "target"),
        ),
        "composite": _Row(
            "composite;with=NAME;at=64x0;feather=16",
            {"with": _other, "at": _corner, "feather": parsers.number(0, most=4096)},
            all_of=("with",),
        ),
    }
)

CHOICES = ("scale;factor=", "noise;sigma=", "noise;timestep=", "upscale;factor=", "upscaler;model=",
           "interposer;source=", "composite;with=")  # fmt: skip
"""What completion offers."""


def settings_of_link(name: str) -> tuple[str, ...]:
    """The settings of a latents processor; none of a name that is none."""
    row = _ROWS.get(name)
    return tuple(row.reads) if row is not None else ()


_KEY = re.compile(r"\s*([\w-]+)\s*=(.*)", re.DOTALL)


def processors(value: str, locate: Locator) -> tuple[LatentsProcessor, ...]:
    """One or more latents processors, ``scale;factor=1.2 + noise;sigma=0.5;seed=1``; a ``+`` alone parts chains.

    Args:
        value: The text.
        locate: Where it stands.

    Raises:
        ScriptError: There is none of this name, or a setting is not allowed.
    """
    if value.strip() == AND:
        return (LatentsProcessor(AND),)
    made: list[LatentsProcessor] = []
    offset = 0
    for part in value.split("+"):
        shift = offset + len(part) - len(part.lstrip())

        def where(start: int, length: int, at: int = shift) -> Place | None:
            return locate(at + start, length)

        made.append(_processor(part.strip(), where))
        offset += len(part) + 1
    return tuple(made)


def _settings(value: str, locate: Locator) -> tuple[str, dict[str, tuple[str, int]]]:
    """The name, and each setting with its text and the offset of that."""
    name, *parts = value.split(";")
    found: dict[str, tuple[str, int]] = {}
    offset = len(name) + 1
    for part in parts:
        match = _KEY.fullmatch(part)
        place = locate(offset, max(1, len(part)))
        if not match or not match[2].strip():
            raise ScriptError(f"'{part.strip()}' should be NAME=VALUE.", place=place)
        key = match[1].lower().replace("_", "-")
        if key in found:
            raise ScriptError(f"'{key}' is given twice.", place=place)
        text = match[2]
        found[key] = text.strip(), offset + match.start(2) + len(text) - len(text.lstrip())
        offset += len(part) + 1
    return name.strip(), found


def _processor(value: str, locate: Locator) -> LatentsProcessor:
    name, found = _settings(value, locate)
    whole = locate(0, max(1, len(value)))
    if name not in _ROWS:
        raise ScriptError(
            f"'{name}' is no latents processor{nearest(name, _ROWS) or '.'} Known: {', '.join(_ROWS)}.", place=whole
        )
    row = _ROWS[name]
    settings = {key: given for key, given in found.items() if key not in IDLE}
    for key, (text, at) in settings.items():
        if key not in row.reads:
            place = locate(value.lower().replace("_", "-").find(key), len(key))
            raise ScriptError(f"'{key}' is no argument of {name}{nearest(key, row.reads) or '.'}", place=place)
        row.reads[key](text, lambda start, length, at=at: locate(at + start, length))  # type: ignore[misc]
    texts = {key: text for key, (text, _) in settings.items()}
    _check(name, texts, whole)
    other = texts.pop("with", None)
    arguments = MappingProxyType(texts)
    return LatentsProcessor(name, arguments, None if other is None else reference(Piece(other, 0, locate)))


def _check(name: str, texts: Mapping[str, str], place: Place | None) -> None:
    """Checks that settings go together."""
    row = _ROWS[name]
    if row.one_of and len(row.one_of & texts.keys()) != 1:
        raise ScriptError(f"{name} needs {' or '.join(sorted(row.one_of))}, one of them.", place=place)
    if lacking := [key for key in row.all_of if key not in texts]:
        raise ScriptError(f"{name} needs {' and '.join(lacking)}; write {row.about}.", place=place)
    if name == "scale" and not texts:
        raise ScriptError(f"scale needs a setting: {', '.join(row.reads)}.", place=place)
    if {"clamp-min", "clamp-max"} <= texts.keys() and float(texts["clamp-min"]) >= float(texts["clamp-max"]):
        raise ScriptError("scale: clamp-min is below clamp-max.", place=place)
    if name == "interposer" and texts["source"] == texts["target"]:
        raise ScriptError("The interposer goes from one space to another one; source and target are the same.",
                          place=place)  # fmt: skip


def write_link(link: LatentsProcessor, _stage: Stage) -> str:
    """One link as `processors` reads it."""
    other = [] if link.other is None else [f"with={format_reference(link.other)}"]
    return ";".join([link.name, *other, *(f"{key}={value}" for key, value in link.arguments.items())])


def chain(path: str) -> Any:
    """What puts the links of all values, one after the other, into a field.

    Args:
        path: The field.
    """

    def fill(given: Iterable[tuple[LatentsProcessor, ...]]) -> Mapping[str, Any]:
        return {path: tuple(link for links in given for link in links)}

    return fill
