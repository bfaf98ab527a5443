"""Digests of model files: what tells whether two models share a part."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

__all__ = ["file_digest", "folder_digest"]

_BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_WHOLE = 1 << 28  # larger files that are no hub blobs are known by their ends, size and time


def file_digest(path: Path) -> str:
    """A digest of a file's content.

    A file of the hub's cache is known by its blob's name, which is a content digest already. Another file is read whole
    up to 256 MiB; beyond, its first and last MiB, size and modification time stand for it.
    """
    target = path.resolve()
    if target.parent.name == "blobs" and _BLOB.fullmatch(target.name):
        return target.name
    facts = target.stat()
    return _content_digest(str(target), facts.st_size, facts.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _content_digest(path: str, size: int, modified: int) -> str:
    with open(path, "rb") as file:
        if size <= _WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        head = file.read(1 << 20)
        file.seek(-(1 << 20), 2)
        return hashlib.sha256(head + file.read() + f"{size} {modified}".encode()).hexdigest()


def folder_digest(folder: Path) -> str:
    """A digest of all files below a folder, names and contents (32 hexadecimal digits); empty when it is not there."""
    digest = hashlib.sha256()
    if not folder.is_dir():
        return ""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()} {file_digest(path)}\n".encode())
    return digest.hexdigest()[:32]
