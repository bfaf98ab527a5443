"""The file formats that are read and written, one row each: the only list of endings.

Each row of latents names the module that reads and writes them; a new format is that module and a row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["FORMATS", "MOST_PIXELS", "FileFormat", "Holds", "endings", "format_of", "listed", "offered"]

Holds: TypeAlias = Literal["latents", "picture"]

MOST_PIXELS = 178_956_970
"""Pixels of the largest picture that is read or made, half a gigabyte in RGB: where Pillow takes a file for a bomb."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A row.

    Attributes:
        ending: The usual ending, without its dot.
        holds: What a file of this format holds.
        writer: The program whose format it is; Pillow's name of the format for pictures.
        module: The module of `jupyter_latents.latents.files` whose ``CODEC`` reads and writes it; empty for pictures.
        keeps: What of latents a file keeps, in words; empty for pictures.
        also: Other spellings of the ending.
    """

    ending: str
    holds: Holds
    writer: str
    module: str = ""
    keeps: str = ""
    also: tuple[str, ...] = ()


FORMATS: tuple[FileFormat, ...] = (
    FileFormat("safetensors", "latents", "jupyter_latents", "safetensors_file", "everything but the trajectory"),
    FileFormat("pt", "latents", "dgenerate", "torch_file", "the bare tensor"),
    FileFormat("pth", "latents", "dgenerate", "torch_file", "the bare tensor"),
    FileFormat("latent", "latents", "ComfyUI", "comfy_file", "tensor, space, noise and provenance"),
    FileFormat("png", "picture", "PNG"),
    FileFormat("jpg", "picture", "JPEG", also=("jpeg",)),
    FileFormat("webp", "picture", "WEBP"),
)


def endings(holds: Holds | None = None) -> tuple[str, ...]:
    """The endings of files with their dots, all spellings.

    Args:
        holds: Of which files; None for all.
    """
    rows = [row for row in FORMATS if holds in (None, row.holds)]
    return tuple(f".{ending}" for row in rows for ending in (row.ending, *row.also))


def format_of(ending: str) -> FileFormat | None:
    """The row of an ending, in any case, with or without its dot; None where there is none."""
    name = ending.lower().removeprefix(".")
    return next((row for row in FORMATS if name in (row.ending, *row.also)), None)


def listed(holds: Holds, last: str, *, dot: str = "") -> str:
    """The usual endings as a part of a sentence.

    Args:
        holds: Of which files.
        last: The word before the last one, ``and`` or ``or``.
        dot: What stands before each.
    """
    *names, end = (f"{dot}{row.ending}" for row in FORMATS if row.holds == holds)
    return f"{', '.join(names)} {last} {end}"


def offered() -> tuple[str, ...]:
    """What menus offer to save latents as: the first ending of each program, without its dot."""
    return tuple({row.writer: row.ending for row in reversed(FORMATS) if row.holds == "latents"}.values())[::-1]
