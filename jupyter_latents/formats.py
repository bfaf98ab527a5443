"""The file formats that are read and written, one row each: the only list of endings.

Each row of latents names the module that reads and writes them; a new format is that module and a row here.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

__all__ = [
    "FILMS",
    "FORMATS",
    "MOST_PIXELS",
    "FileFormat",
    "Holds",
    "endings",
    "format_in",
    "format_of",
    "holds_latents",
    "listed",
    "offered",
]

Holds: TypeAlias = Literal["latents", "picture", "film"]

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
        head: A regular expression for the first bytes of such a file, by which one without an ending is told.
        films: Whether the frames of a clip go into one such file.
        codec: ffmpeg's name of the codec of a film; empty where Pillow writes it.
        part: How the name of a part of it ends, where such files are ZIP archives.
    """

    ending: str
    holds: Holds
    writer: str
    module: str = ""
    keeps: str = ""
    also: tuple[str, ...] = ()
    head: bytes = rb"(?!)"
    films: bool = False
    codec: str = ""
    part: str = ""


_HEAD = 1 << 14  # bytes of a file that tell its format
_ARCHIVE = rb"PK\x03\x04"
_PICKLE = rb"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\."  # as torch began its files before 1.6
_HEADER = rb".{4}\0{4}\{"  # of safetensors: a length of eight bytes and an object

FORMATS: tuple[FileFormat, ...] = (
    FileFormat(
        "safetensors",
        "latents",
        "jupyter_latents",
        "safetensors_file",
        "everything but the trajectory",
        head=_HEADER + rb'(?!.*"latent_tensor")',
    ),
    FileFormat(
        "pt", "latents", "dgenerate", "torch_file", "the bare tensor", head=_PICKLE + rb"|" + _ARCHIVE, part="/data.pkl"
    ),
    FileFormat("pth", "latents", "dgenerate", "torch_file", "the bare tensor"),
    FileFormat(
        "latent",
        "latents",
        "ComfyUI",
        "comfy_file",
        "tensor, space, noise and provenance",
        head=_HEADER + rb'.*"latent_tensor"',
    ),
    FileFormat("npz", "latents", "numpy", "npz_file", "everything but the trajectory", head=_ARCHIVE, part=".npy"),
    FileFormat("npy", "latents", "numpy", "npy_file", "the bare array", head=rb"\x93NUMPY"),
    FileFormat("png", "picture", "PNG"),
    FileFormat("jpg", "picture", "JPEG", also=("jpeg",)),
    FileFormat("webp", "picture", "WEBP", films=True),
    FileFormat("mp4", "film", "MP4", films=True, codec="libx264"),
    FileFormat("webm", "film", "WebM", films=True, codec="libvpx-vp9"),
    FileFormat("gif", "film", "GIF", films=True),
    FileFormat("apng", "film", "PNG", films=True),
)


FILMS = tuple(f".{row.ending}" for row in FORMATS if row.films)
"""The endings of what a clip is written to, with their dots."""


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


def format_in(path: Path) -> FileFormat | None:
    """The row of a file by its ending or, where its name has none, by its content; None where there is none.

    Args:
        path: A file; one that cannot be read has no content.
    """
    if path.suffix:
        return format_of(path.suffix)
    try:
        with path.open("rb") if path.is_file() else io.BytesIO() as file:
            head = file.read(_HEAD)
        rows = [row for row in FORMATS if re.match(row.head, head, re.DOTALL)]
        if not re.match(_ARCHIVE, head):
            return next(iter(rows), None)
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return None
    return next((row for row in rows if any(name.endswith(row.part) for name in names)), None)


def holds_latents(path: str | Path) -> bool:
    """Whether a file is one of latents, by its ending or, where its name has none, by its content."""
    found = format_in(Path(path))
    return found is not None and found.holds == "latents"


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
