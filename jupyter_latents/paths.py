"""Paths as people write them. What no path can be, such as a name that is too long, is a file that is not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

__all__ = ["destination", "explain", "here", "is_file", "is_folder", "is_there", "leaves", "opened"]

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EACCES: "there is no permission",
    errno.EPERM: "there is no permission",
    errno.EROFS: "the file system is read-only",
    errno.ELOOP: "it is a link that leads to itself",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
}


def explain(error: OSError | ValueError) -> str:
    """What went wrong, in words that do not name the operating system's call."""
    if not isinstance(error, OSError):  # a NUL character in the name, or half of a surrogate pair
        return "no file can have that name"
    return _REASONS.get(error.errno or 0, error.strerror or str(error))


def opened(text: str) -> Path:
    """The path that a text means: ``~`` and ``~NAME`` are home folders; of somebody who is not there it stays.

    Args:
        text: The path as it was written.
    """
    try:
        return Path(os.path.expanduser(text))  # noqa: PTH111 - `Path.expanduser` raises for a name that is not there
    except ValueError:  # a NUL character in a name
        return Path(text)


def here() -> Path:
    """The folder that paths are taken from; an empty path where somebody deleted it."""
    try:
        return Path.cwd()
    except OSError:
        return Path()


def leaves(text: str) -> bool:
    """Whether a path that is meant to lie in a folder leads out of it.

    Args:
        text: The path as it was written.
    """
    return Path(text).is_absolute() or ".." in Path(text).parts


def destination(text: str) -> Path:
    """The path that a text means where something is to be written.

    Args:
        text: The path as it was written.

    Raises:
        FileNotFoundError: The home folder of somebody who is not there; a folder of that name is hardly meant.
    """
    path = opened(text)
    if text.startswith("~") and path == Path(text):
        raise FileNotFoundError(errno.ENOENT, "there is no such home folder", text)
    return path


def is_there(path: Path) -> bool:
    """Whether a file or folder is there."""
    return os.path.exists(path)  # noqa: PTH110 - `Path.exists` raises for a name that is too long


def is_folder(path: Path) -> bool:
    """Whether a folder is there."""
    return os.path.isdir(path)  # noqa: PTH112 - see `is_there`


def is_file(path: Path) -> bool:
    """Whether a file is there."""
    return os.path.isfile(path)  # noqa: PTH113 - see `is_there`
