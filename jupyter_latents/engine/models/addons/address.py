"""Addresses of addons, ``NAME;key=value;key=value``, and the folders, files and parts that they name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jupyter_latents.engine.models.files.weights import chosen_files, variants, variants_of, weight_files
from jupyter_latents.engine.models.parts import PartSource, read_json
from jupyter_latents.engine.models.places.find import find
from jupyter_latents.engine.models.places.hub import HubFiles, files_of, settings_of
from jupyter_latents.engine.models.places.names import Wanted
from jupyter_latents.errors import ModelError, SettingError, nearest
from jupyter_latents.paths import leaves
from jupyter_latents.points import before, point_of
from jupyter_latents.stage import Address, ModelSource, Point, Window
from jupyter_latents.wording import option

__all__ = ["Location", "OptionAddress", "entry_of", "fault", "locate", "part_at", "story_of"]

_DTYPES = ("auto", "float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class OptionAddress:
    """An address as an option was given it.

    Attributes:
        dest: The option, which is to blame for what is wrong with it.
        address: The address.
    """

    dest: str
    address: Address

    @property
    def name(self) -> str:
        """What it names."""
        return self.address.name

    def get(self, key: str) -> str | None:
        """A setting's text, or None."""
        return self.address.get(key)

    def number(self, key: str, default: float, least: float | None = None, most: float | None = None) -> float:
        """A setting as a number.

        Raises:
            ModelError: It is no number, or outside the bounds.
        """
        given = self.get(key)
        if given is None:
            return default
        try:
            value = float(given)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or (least is not None and value < least) or (most is not None and value > most):
            bounds = "" if least is None else f" from {least:g} to {most:g}"
            raise fault(self.dest, f"{key}={given} of {self.name} is not allowed; give a number{bounds}.")
        return value

    @property
    def dtype(self) -> str | None:
        """The dtype that it asks for; None for the model's.

        Raises:
            ModelError: There is no such dtype.
        """
        given = self.get("dtype")
        if given is not None and given not in _DTYPES:
            raise fault(self.dest, f"dtype={given} is not allowed; use {', '.join(_DTYPES)}.")
        return None if given == "auto" else given

    def window(self) -> Window:
        """The steps for which it holds, by ``start=`` and ``end=``: fractions, steps from 2 on, or noise levels.

        Raises:
            ModelError: One is no point of a run, or the end does not come after the start.
        """
        found: list[Point | None] = []
        for key in ("start", "end"):
            try:
                found.append(point_of(self.get(key)))
            except SettingError as error:
                raise fault(self.dest, f"{key}={self.get(key)} of {self.name}: {error.template}") from error
        start, end = found
        if start is not None and end is not None and (start == end or before(start, end) is False):
            raise fault(self.dest, f"start={start} of {self.name} must come before end={end}.")
        return Window(start, end)


def story_of(entry: OptionAddress, scale: float, keys: Iterable[str]) -> str:
    """How results tell of what an address puts on a model: ``canny-sdxl;scale=0.7;end=0.5``.

    Args:
        entry: The address; of a path or a hub name, the last part is told.
        scale: How strongly it works.
        keys: Further settings to tell, as they were given.
    """
    told = "".join(f";{key}={value}" for key in keys if (value := entry.get(key)) is not None)
    return f"{Path(entry.name).name};scale={str(scale).removesuffix('.0')}{told}"


def fault(dest: str, reason: str) -> ModelError:
    """The error for what an option was given.

    Args:
        dest: The option.
        reason: What is wrong with it, and what to do.
    """
    return ModelError(f"{option(dest)}: {reason}", option=dest)


def entry_of(dest: str, address: Address, keys: Iterable[str]) -> OptionAddress:
    """An address whose settings are allowed.

    Args:
        dest: The option it was given to.
        address: What it was given.
        keys: The settings that are allowed.

    Raises:
        ModelError: A setting is not allowed.
    """
    allowed = list(keys)
    for key in address.settings:
        if key not in allowed:
            hint = nearest(key, allowed) or "."
            raise fault(dest, f"no setting {key!r} in '{address}'{hint} Allowed are {', '.join(allowed)}.")
    return OptionAddress(dest, address)


@dataclass(frozen=True, slots=True)
class Location:
    """Where an address leads.

    Attributes:
        path: The folder or file, its subfolder included; of a file that is on the hub alone, which one that is.
        root: The folder of the whole repository.
        wanted: What was looked for.
    """

    path: Path | HubFiles
    root: Path
    wanted: Wanted

    @property
    def folder(self) -> Path | None:
        """The folder; None where it leads to a file."""
        return self.path if isinstance(self.path, Path) and not self.path.is_file() else None

    @property
    def file(self) -> Path | HubFiles | None:
        """The file; None where it leads to a folder."""
        return None if self.folder is not None else self.path

    def beside(self, folder: Path) -> list[str]:
        """The names of the files that the hub has in one of its folders; empty where that is not asked.

        Raises:
            ModelError: The hub is not asked now, and it may have them.
        """
        if not self.wanted.on_hub:
            return []
        inside = f"{folder.relative_to(self.root).as_posix()}/".removeprefix("./")
        return [name.removeprefix(inside) for name in files_of(self.wanted) if name.startswith(inside)]

    def on_hub(self, folder: Path, names: Iterable[str]) -> HubFiles:
        """Files of one of its folders, as the hub calls them."""
        inside = folder.relative_to(self.root)
        return HubFiles(self.wanted, tuple((inside / name).as_posix() for name in names))


def locate(entry: OptionAddress, name: str, source: ModelSource, marks: tuple[str, ...]) -> Location:
    """The folder or file that an address names; of a repository, what it says of itself is fetched, and no weights.

    Args:
        entry: The address.
        name: The name in it, as the model is named.
        source: The stage's model, whose token and network are asked with.
        marks: Files that tell the folder, relative to it; one is enough.

    Raises:
        ModelError: It is nowhere, or the subfolder or the file named leaves its folder.
    """
    for key in ("subfolder", "weight-name"):
        inside = entry.get(key)
        if inside is not None and leaves(inside):
            raise fault(entry.dest, f"{key}={inside} leaves the model's folder; give a name in it.")
    sub = entry.get("subfolder")
    below = tuple(f"{sub}/{mark}" for mark in marks) if sub else marks
    wanted = Wanted(name, entry.dest, below, entry.get("revision"), source.auth_token, source.offline)
    found = find(wanted, lambda: settings_of(wanted, sub or ""))
    root = found if isinstance(found, Path) else Path()
    return Location(root / sub if sub and root.is_dir() and isinstance(found, Path) else found, root, wanted)


def part_at(entry: OptionAddress, place: Location, folder: Path, name: str, library: str = "diffusers") -> PartSource:
    """The part whose diffusers or transformers folder this is.

    Args:
        entry: The address that named it, with its variant and dtype.
        place: Where that leads.
        folder: The part's folder in it.
        name: Its name in the pipeline.
        library: ``diffusers`` or ``transformers``.

    Raises:
        ModelError: It is none, or lacks weights that the hub does not have either.
    """
    config = read_json(folder / "config.json")
    class_name = _class_name(config if isinstance(config, dict) else {}, library)
    if not class_name:
        raise fault(entry.dest, f"{folder} names no {library} class in its config.json.")
    variant = entry.get("variant")
    part = PartSource(name, library, class_name, folder, weight_files(folder, variant), variant, dtype=entry.dtype)
    if not part.lacking and (variant is None or variant in variants(folder)):
        return part
    names = place.beside(folder)
    have = variants_of(names) | variants(folder)
    if variant is not None and variant not in have:
        plain = ", ".join(sorted(one or "plain files (no variant)" for one in have)) or "none"
        raise fault(entry.dest, f"{entry.name} has no weights of variant={variant}; there are: {plain}.")
    chosen = chosen_files(names, variant)
    if not chosen:
        raise fault(entry.dest, f"{part.lacking} at {folder}; fetch the rest.")
    return replace(part, weights=(), hub=place.on_hub(folder, chosen))


def _class_name(config: dict[str, Any], library: str) -> str:
    """The class that a part's configuration names, in the way of its library."""
    if library == "diffusers":
        return str(config.get("_class_name", ""))
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else ""
