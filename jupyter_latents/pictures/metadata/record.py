"""The record that this package writes into pictures: the cell that leads back to it, and what to check it by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from jupyter_latents.errors import NameNotFoundError
from jupyter_latents.pictures.metadata.bounds import json_of, mapping, text, whole

__all__ = ["VERSION", "Record", "is_record", "read_record", "write_record"]

VERSION = 1
_KEY = "jupyter_latents"
_MOST_ITEMS = 10_000


@dataclass(frozen=True, slots=True)
class Record:
    """What a picture says of itself.

    Attributes:
        cell: The cell that makes it, from the first stage on.
        latents: Digest of its latents.
        item: Which of the batch it is.
        models: Name to digest of the denoiser's files of each model.
        inputs: Name to digest of the files, pictures and latents that went in.
        libraries: Name to version.
    """

    cell: str
    latents: str = ""
    item: int = 0
    models: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    inputs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    libraries: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def write_record(record: Record) -> str:
    """A record as JSON in ASCII, the same for equal records."""
    return json.dumps(
        {
            _KEY: VERSION,
            "cell": record.cell,
            "latents": record.latents,
            "item": record.item,
            "models": dict(record.models),
            "inputs": dict(record.inputs),
            "libraries": dict(record.libraries),
        }
    )


def is_record(content: str) -> bool:
    """Whether a text is one of ours, damaged ones too."""
    return content.lstrip().startswith(f'{{"{_KEY}":')


def read_record(content: str, name: str) -> Record:
    """The inverse of `write_record`; anybody may have written the text.

    Args:
        content: The text.
        name: What the picture is called.

    Raises:
        NameNotFoundError: It is damaged, or of a version to come.
    """
    found = mapping(json_of(content, name))
    version = found.get(_KEY)
    if version != VERSION:
        raise NameNotFoundError(
            f"{name} holds a record of version {str(version)[:20]}, and this jupyter_latents reads version {VERSION}. "
            "Update jupyter_latents.",
            name=name,
        )
    if not text(found.get("cell")):
        raise NameNotFoundError(f"{name} holds a record of jupyter_latents without a cell; it is damaged.", name=name)
    return Record(
        text(found["cell"]),
        text(found.get("latents")),
        whole(found.get("item"), 0, _MOST_ITEMS) or 0,
        *(MappingProxyType(_texts(found.get(key))) for key in ("models", "inputs", "libraries")),
    )


def _texts(value: object) -> dict[str, str]:
    return {str(key): text(item) for key, item in list(mapping(value).items())[:_MOST_ITEMS]}
