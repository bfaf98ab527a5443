"""Completion inside a cell: options, their values, kernel variables and files inside image seeds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from jupyter_latents.processing import PROCESSORS
from jupyter_latents.stage import settings_of
from jupyter_latents.syntax.directives import DIRECTIVES
from jupyter_latents.syntax.seeds import SEED_KEYS

from . import parsers
from .cursor import Spot, spot
from .latents_processors import processors, settings_of_link
from .magic_options import MAGIC_OPTIONS
from .option import Option
from .second_stage import refiner_help
from .table import OPTIONS

__all__ = ["Completion", "complete"]

_SEED_PART = re.compile(r"""(?:^|[;,+|=:"'])\s*([^;,+|=:"']*)$""")
_TEMPLATE = re.compile(r"(\w*)$")
_HEADS = ("latents: ", "images: ", "adapter: ")
_NAMES = ("last_images", "last_prompts", "injected_args", "quote(", "have_cuda()", "have_feature(", "total_memory(")


@dataclass(frozen=True, slots=True)
class Completion:
    """One proposal.

    Attributes:
        text: What is put in.
        start: Offset in the cell where the text that it replaces begins.
        end: Offset after it.
        kind: ``option``, ``value``, ``variable``, ``path``, ``model``, ``directive`` or ``keyword``.
        help: One line about it.
    """

    text: str
    start: int
    end: int
    kind: str
    help: str = ""


def complete(
    cell: str,
    cursor: int,
    *,
    variables: Iterable[str] = (),
    models: Iterable[str] = (),
    schedulers: Iterable[str] = (),
    list_path: Callable[[str], Sequence[str]] = lambda _: (),
) -> list[Completion]:
    """Returns what could stand at the cursor, best first.

    Args:
        cell: The cell, with or without its ``%%dgen`` line.
        cursor: Offset of the cursor.
        variables: Kernel variables that an image seed can name.
        models: Known model names.
        schedulers: Known scheduler names.
        list_path: Returns the paths that begin with a text; folders end with a slash.
    """
    at = spot(cell, cursor)
    sources = {"variable": list(variables), "model": list(models), "scheduler": list(schedulers)}
    found = list(_proposals(at, cursor, sources, list_path))
    return list({(item.text, item.start): item for item in found}.values())


def _proposals(
    at: Spot, cursor: int, sources: dict[str, list[str]], list_path: Callable[[str], Sequence[str]]
) -> Iterator[Completion]:
    word = at.word
    opened = word.rfind("{{")
    if opened >= 0 and "}}" not in word[opened:]:
        yield from _plain(_tail(word, _TEMPLATE), cursor, [*sources["variable"], *_NAMES], "variable")
    elif at.magic:
        yield from _magic(at, cursor, list_path)
    elif word.startswith("\\"):
        for name, directive in DIRECTIVES.items():
            if directive.run and not directive.idle and name.startswith(word[1:]):
                yield Completion("\\" + name, at.start, cursor, "directive", directive.help)
    elif at.first:
        yield from _plain(word, cursor, sources["model"], "model")
        yield from _plain(word, cursor, list_path(word) if word else (), "path")
    elif word.startswith("-"):
        yield from _options(word, at.start, cursor)
    elif at.option is None:
        if not word:
            yield from _options("", at.start, cursor)
    elif at.option.completion == "seed":
        yield from _seed(at, cursor, sources["variable"], list_path)
    else:
        yield from _values(at, cursor, sources, list_path)


def _tail(word: str, pattern: re.Pattern[str]) -> str:
    match = pattern.search(word)
    return match[1] if match else ""


def _plain(typed: str, cursor: int, names: Iterable[str], kind: str) -> Iterator[Completion]:
    for name in names:
        if name.startswith(typed) and name != typed:
            yield Completion(name, cursor - len(typed), cursor, kind)


def _options(typed: str, start: int, cursor: int) -> Iterator[Completion]:
    for option in OPTIONS:
        if option.name.startswith(typed):
            yield Completion(option.name, start, cursor, "option", option.help.partition(". ")[0].rstrip(".") + ".")
    for name, text in refiner_help().items() if typed else ():
        if name.startswith(typed):
            yield Completion(name, start, cursor, "option", text)


def _magic(at: Spot, cursor: int, list_path: Callable[[str], Sequence[str]]) -> Iterator[Completion]:
    magic = next((option for option in MAGIC_OPTIONS if at.previous in option.names), None)
    if at.word.startswith("-") or not at.word:
        for option in MAGIC_OPTIONS:
            if option.name.startswith(at.word):
                yield Completion(option.name, at.start, cursor, "option", option.help)
    if magic and magic.completion == "path":
        yield from _plain(at.word, cursor, list_path(at.word), "path")
    elif magic and magic.completion == "option":
        yield from _plain(at.word, cursor, [option.name.lstrip("-") for option in OPTIONS], "option")
    elif magic:
        yield from _plain(at.word, cursor, magic.choices, "value")


def _values(
    at: Spot, cursor: int, sources: dict[str, list[str]], list_path: Callable[[str], Sequence[str]]
) -> Iterator[Completion]:
    option = at.option
    if option is None:
        return
    typed = at.word.lstrip("\"'")
    name, parted, setting = typed.rpartition(";")
    keys = _settings(option, name.partition(";")[0].strip()) if parted and "=" not in setting else ()
    for key in keys:
        if key.startswith(setting.strip()) and f";{key}=" not in typed:
            yield Completion(f"{key}=", cursor - len(setting.lstrip()), cursor, "keyword")
    if keys:
        return
    yield from _plain(typed, cursor, option.choices, "value")
    yield from _plain(typed, cursor, sources.get(option.completion, ()), option.completion or "value")
    if option.completion == "path":
        yield from _plain(typed, cursor, list_path(typed), "path")
    if not at.word and option.many:
        yield from _options("", at.start, cursor)


def _settings(option: Option, name: str) -> tuple[str, ...]:
    """The settings that a value of an option takes."""
    part, _, field = option.field.partition(".")
    if part == "model" and option.parse is parsers.address:
        return settings_of(field)
    if option.parse in (parsers.image_processor, parsers.post_processor):
        row = PROCESSORS.get(name.lower())
        return (*row.reads, "pre-resize") if row is not None else ()
    return settings_of_link(name) if option.parse is processors else ()


def _seed(
    at: Spot, cursor: int, variables: list[str], list_path: Callable[[str], Sequence[str]]
) -> Iterator[Completion]:
    typed = _tail(at.word, _SEED_PART)
    before = at.word[: len(at.word) - len(typed)].rstrip()
    if before.endswith(";"):
        for key, (_, _, text) in SEED_KEYS.items():
            if key.startswith(typed):
                yield Completion(f"{key}=", cursor - len(typed), cursor, "keyword", text)
        return
    if before.endswith("aspect="):
        yield from _plain(typed, cursor, ("true", "false"), "value")
        return
    yield from _plain(typed, cursor, variables, "variable")
    if not before.strip("\"'"):
        yield from _plain(typed, cursor, _HEADS, "keyword")
    if typed:
        yield from _plain(typed, cursor, list_path(typed), "path")
