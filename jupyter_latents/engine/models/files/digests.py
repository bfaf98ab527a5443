"""Digests of model files: what tells whether two models share a part."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "FileMark",
    "are_as_they_were",
    "file_digest",
    "files_digest",
    "folder_marks",
    "marks_of",
    "part_digest",
    "settings_files",
    "written_over",
]

_BLOB = re.compile(r"[0-9a-f]{64}")
_WHOLE = 1 << 28  # larger files that are no hub blobs are known by their ends, size and time
_SETTINGS = (".json", ".jinja", ".txt", ".model")
_WEIGHT_INDEX = re.compile(r".*\.(safetensors|bin)\.index(\.\w+)?\.json")
# What a configuration says of its writer rather than of the model; the dtype is always the stage's.
_PASSING = ("transformers_version", "torch_dtype", "dtype", "name_or_path")


def file_digest(path: Path) -> str:
    """A digest of a file's content.

    A large file of the hub's cache is known by its blob's name, which is its SHA-256 already. Another file is read
    whole up to 256 MiB; beyond, its first and last MiB, size and modification time stand for it.
    """
    target = path.resolve()
    if target.parent.name == "blobs" and _BLOB.fullmatch(target.name):
        return target.name
    return _content_digest(FileMark.of(target))


class FileMark(NamedTuple):
    """What tells that a file is still the one that was read: another in its place may have its size and time."""

    path: str
    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: Path | os.DirEntry[str]) -> FileMark:
        """The mark of a file or folder, links followed."""
        facts = path.stat()
        return cls(os.fspath(path), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)


def marks_of(files: Iterable[Path]) -> frozenset[FileMark]:
    """The marks of files; of those that are gone none."""
    marks = set()
    for file in files:
        with suppress(OSError):
            marks.add(FileMark.of(file.absolute()))
    return frozenset(marks)


def are_as_they_were(marks: Iterable[FileMark]) -> bool:
    """Whether files are still those that were marked; one that is gone is not."""
    try:
        return all(FileMark.of(Path(mark.path)) == mark for mark in marks)
    except OSError:
        return False


def written_over(marks: Iterable[FileMark]) -> str:
    """The name of a file that holds something else than when it was marked, empty where none does.

    One that another took the place of does not count: who has the first mapped still sees that.
    """
    for mark in marks:
        with suppress(OSError):
            now = FileMark.of(Path(mark.path))
            if now.inode == mark.inode and (now.size, now.modified) != (mark.size, mark.modified):
                return Path(mark.path).name
    return ""


def folder_marks(folder: Path) -> frozenset[FileMark] | None:
    """What tells that a model's folder is still as it was read: a mark of each file in it and in its own folders.

    Args:
        folder: The folder.

    Returns:
        The marks; None where a file left while they were taken, or may not be looked at.
    """
    try:
        with os.scandir(folder) as found:
            entries = list(found)
        for entry in list(entries):
            if entry.is_dir():
                with os.scandir(entry) as found:
                    entries += found
        return frozenset(map(FileMark.of, entries))
    except OSError:
        return None


@functools.lru_cache(maxsize=4096)
def _content_digest(mark: FileMark) -> str:
    with Path(mark.path).open("rb") as file:
        if mark.size <= _WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        head = file.read(1 << 20)
        file.seek(-(1 << 20), 2)
        return hashlib.sha256(head + file.read() + f"{mark.size} {mark.modified}".encode()).hexdigest()


@functools.lru_cache(maxsize=4096)
def _settings_digest(mark: FileMark) -> str:
    """Digest of a configuration's meaning: sorted, without what its writer left in it."""
    try:
        content = json.loads(Path(mark.path).read_bytes())
    except (ValueError, RecursionError):
        return _content_digest(mark)
    if isinstance(content, dict):
        content = {
            key: value
            for key, value in content.items()
            if key not in _PASSING and (key == "_class_name" or not key.startswith("_"))
        }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def files_digest(files: Iterable[tuple[str, str]]) -> str:
    """One digest (32 hexadecimal digits) of names and digests."""
    digest = hashlib.sha256()
    for name, content in sorted(files):
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()[:32]


def part_digest(folder: Path, weights: Iterable[Path] = ()) -> str:
    """A digest of a part: its settings and vocabulary files, and those weight files that are read.

    Args:
        folder: The part's folder.
        weights: Its weight files.

    Returns:
        32 hexadecimal digits; empty when the folder is not there.
    """
    if not folder.is_dir():
        return ""
    found = [(path.name, file_digest(path)) for path in weights]
    for path in settings_files(folder):
        is_configuration = path.name.endswith("config.json")
        digest = _settings_digest if is_configuration else _content_digest
        found.append((path.name, digest(FileMark.of(path.resolve()))))
    return files_digest(found)


def settings_files(folder: Path) -> Iterator[Path]:
    """The settings and vocabulary files of a part.

    Args:
        folder: The part's folder; none where it is not there.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix in _SETTINGS and path.is_file() and not _WEIGHT_INDEX.fullmatch(path.name):
            yield path
