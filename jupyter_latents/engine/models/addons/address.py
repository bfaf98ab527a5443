"""Addresses of addons, ``NAME;key=value;key=value``, and the folders, files and parts that they name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jupyter_latents.engine.models.find import Wanted, find
from jupyter_latents.engine.models.parts import PartSource, read_json
from jupyter_latents.engine.models.weights import weight_files
from jupyter_latents.errors import ModelError, nearest
from jupyter_latents.stage import Address, ModelSource
from jupyter_latents.wording import option

__all__ = ["OptionAddress", "entry_of", "fault", "locate", "part_at"]

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


def locate(entry: OptionAddress, name: str, source: ModelSource, marks: tuple[str, ...]) -> Path:
    """The folder or file that an address names, its subfolder included.

    Args:
        entry: The address.
        name: The name in it, as the model is named.
        source: The stage's model, whose token and network are asked with.
        marks: Files that tell the folder, relative to it; one is enough.

    Raises:
        ModelError: It is nowhere, or the subfolder leaves the folder.
    """
    sub = entry.get("subfolder")
    if sub is not None and (Path(sub).is_absolute() or ".." in Path(sub).parts):
        raise fault(entry.dest, f"subfolder={sub} leaves the model's folder.")
    revision = entry.get("revision")
    below = tuple(f"{sub}/{mark}" for mark in marks) if sub else marks
    wanted = Wanted(name, entry.dest, below, revision, source.auth_token, source.offline)

    def download() -> Path:
        from huggingface_hub import snapshot_download

        patterns = [f"{sub}/*"] if sub else ["*.json", "*.safetensors", "vae/*"]
        return Path(snapshot_download(name, revision=revision, token=source.auth_token, allow_patterns=patterns))

    found = find(wanted, download)
    return found / sub if sub and found.is_dir() else found


def part_at(entry: OptionAddress, folder: Path, name: str) -> PartSource:
    """The part whose diffusers folder this is.

    Args:
        entry: The address that named it, with its variant and dtype.
        folder: Its folder.
        name: Its name in the pipeline.

    Raises:
        ModelError: It is none, or lacks weights.
    """
    config = read_json(folder / "config.json")
    class_name = str(config.get("_class_name", "")) if isinstance(config, dict) else ""
    if not class_name:
        raise fault(entry.dest, f"{folder} names no diffusers class in its config.json.")
    variant, dtype = entry.get("variant"), entry.get("dtype")
    if dtype is not None and dtype not in _DTYPES:
        raise fault(entry.dest, f"dtype={dtype} is not allowed; use {', '.join(_DTYPES)}.")
    own = None if dtype == "auto" else dtype
    part = PartSource(name, "diffusers", class_name, folder, weight_files(folder, variant), variant, dtype=own)
    if part.lacking:
        raise fault(entry.dest, f"{part.lacking} at {folder}; fetch the rest.")
    return part
