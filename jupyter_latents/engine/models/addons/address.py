"""Addresses of addons, ``NAME;key=value;key=value``, and the folders, files and parts that they name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from jupyter_latents.engine.models.find import Wanted, find
from jupyter_latents.engine.models.parts import PartSource, read_json
from jupyter_latents.engine.models.weights import weight_files
from jupyter_latents.errors import ModelError, nearest
from jupyter_latents.stage import ModelSource
from jupyter_latents.wording import option

__all__ = ["Entry", "fault", "locate", "parse_address", "part_at"]

_DTYPES = ("auto", "float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Entry:
    """An address as an option was given it.

    Attributes:
        dest: The option, which is to blame for what is wrong with it.
        name: What stands before the first semicolon.
        settings: The rest, key to text.
    """

    dest: str
    name: str
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, key: str) -> str | None:
        """A setting's text, or None."""
        return self.settings.get(key)

    def number(self, key: str, default: float, least: float | None = None, most: float | None = None) -> float:
        """A setting as a number.

        Raises:
            ModelError: It is no number, or outside the bounds.
        """
        given = self.settings.get(key)
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


def fault(dest: str, reason: str) -> ModelError:
    """The error for what an option was given.

    Args:
        dest: The option.
        reason: What is wrong with it, and what to do.
    """
    return ModelError(f"{option(dest)}: {reason}", option=dest)


def parse_address(dest: str, text: str, keys: Iterable[str]) -> Entry:
    """Reads an address.

    Args:
        dest: The option it was given to.
        text: ``NAME;key=value``.
        keys: The settings that are allowed.

    Raises:
        ModelError: No name, a setting that is not ``key=value``, or one that is not allowed.
    """
    name, *rest = text.split(";")
    allowed = list(keys)
    settings: dict[str, str] = {}
    for part in rest:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        key = key.lower().replace("_", "-")
        if not equals or not value:
            raise fault(dest, f"{part.strip()!r} in {text!r} should be name=value.")
        if key not in allowed:
            hint = nearest(key, allowed) or "."
            raise fault(dest, f"no setting {key!r} in {text!r}{hint} Allowed are {', '.join(allowed)}.")
        settings[key] = value.strip("\"'")
    if not name.strip():
        raise fault(dest, f"{text!r} names nothing before its settings; write NAME;key=value.")
    return Entry(dest, name.strip().strip("\"'"), MappingProxyType(settings))


def locate(address: Entry, name: str, source: ModelSource, marks: tuple[str, ...]) -> Path:
    """The folder or file that an address names, its subfolder included.

    Args:
        address: The address.
        name: The name in it, as the model is named.
        source: The stage's model, whose token and network are asked with.
        marks: Files that tell the folder, relative to it; one is enough.

    Raises:
        ModelError: It is nowhere, or the subfolder leaves the folder.
    """
    sub = address.get("subfolder")
    if sub is not None and (Path(sub).is_absolute() or ".." in Path(sub).parts):
        raise fault(address.dest, f"subfolder={sub} leaves the model's folder.")
    revision = address.get("revision")
    below = tuple(f"{sub}/{mark}" for mark in marks) if sub else marks
    wanted = Wanted(name, address.dest, below, revision, source.auth_token, source.offline)

    def download() -> Path:
        from huggingface_hub import snapshot_download

        patterns = [f"{sub}/*"] if sub else ["*.json", "*.safetensors", "vae/*"]
        return Path(snapshot_download(name, revision=revision, token=source.auth_token, allow_patterns=patterns))

    found = find(wanted, download)
    return found / sub if sub and found.is_dir() else found


def part_at(address: Entry, folder: Path, name: str) -> PartSource:
    """The part whose diffusers folder this is.

    Args:
        address: The address that named it, with its variant and dtype.
        folder: Its folder.
        name: Its name in the pipeline.

    Raises:
        ModelError: It is none, or lacks weights.
    """
    config = read_json(folder / "config.json")
    class_name = str(config.get("_class_name", ""))
    if not class_name:
        raise fault(address.dest, f"{folder} names no diffusers class in its config.json.")
    variant, dtype = address.get("variant"), address.get("dtype")
    if dtype is not None and dtype not in _DTYPES:
        raise fault(address.dest, f"dtype={dtype} is not allowed; use {', '.join(_DTYPES)}.")
    own = None if dtype == "auto" else dtype
    part = PartSource(name, "diffusers", class_name, folder, weight_files(folder, variant), variant, dtype=own)
    if part.lacking:
        raise fault(address.dest, f"{part.lacking} at {folder}; fetch the rest.")
    return part
