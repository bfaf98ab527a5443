"""Files written whole or not at all, and read only when they are plain files."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path

from jupyter_latents.errors import LatentsFileError, nearest
from jupyter_latents.paths import explain

__all__ = ["check_readable", "sweep", "write_whole"]

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{12}\.part")
_LEFT_BEHIND = 600  # seconds without a write after which an unfinished file belongs to a process that is gone


def check_readable(path: Path) -> int:
    """Size in bytes of the plain file at `path`.

    Raises:
        LatentsFileError: Missing (the nearest name there is said), a folder, a device, empty, a link loop or no
            permission.
    """
    try:
        status = path.stat()
        with path.open("rb") if stat.S_ISREG(status.st_mode) else contextlib.nullcontext():
            pass
    except FileNotFoundError as error:
        raise LatentsFileError(_missing(path)) from error
    except OSError as error:
        raise LatentsFileError(f"cannot read {path}: {explain(error)}.") from error
    except ValueError as error:  # a NUL character in the name
        raise LatentsFileError(f"cannot read {str(path)!r}: no file can have that name.") from error
    if stat.S_ISDIR(status.st_mode):
        raise LatentsFileError(f"{path} is a folder; give a latents file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise LatentsFileError(f"{path} is not a plain file; give a latents file.")
    if status.st_size == 0:
        raise LatentsFileError(
            f"{path} is empty: its writer was stopped, or the disk was full. Save the latents again."
        )
    return status.st_size


def _missing(path: Path) -> str:
    if path.is_symlink():
        return f"{path} is a link to a file that is not there."
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError as error:
        return f"no file {path}: its folder {path.parent} cannot be listed: {explain(error)}."
    return f"no file {path.name} in {path.parent.resolve()}{nearest(path.name, names) or '.'}"


def write_whole(path: Path, content: bytes, *, write: Callable[[int, bytes], int] = os.write) -> None:
    """Writes a file under a temporary name beside `path`, flushes it to disk and renames it.

    A reader sees the old file or the new one, never a part; after a failure the old file is as it was and nothing else
    is left. What killed processes left unfinished in the folder is deleted. Missing parent folders are made; an
    existing file's permissions are kept; a link is followed, not replaced.

    Args:
        path: Where to write.
        content: All bytes.
        write: Writes some bytes to a file descriptor and returns how many; `os.write` outside of tests.

    Raises:
        LatentsFileError: Disk full, no permission, a folder of that name, or the like.
    """
    try:
        target = path.resolve()
        if target.is_symlink():  # a link loop, from Python 3.13 on
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise LatentsFileError(f"cannot write {path}: it is a folder; give a file name in it.")
        sweep(target.parent)
        _write_beside(target, content, write)
    except OSError as error:
        raise LatentsFileError(
            f"cannot write {path}: {explain(error)}. "
            "Nothing was written and the latents are still in memory; save elsewhere."
        ) from error
    except (ValueError, RuntimeError) as error:  # a NUL character in the name; a link loop before Python 3.13
        raise LatentsFileError(f"cannot write {str(path)!r}: {error}. Give another file name.") from error


def sweep(folder: Path) -> None:
    """Deletes what killed processes left unfinished in a folder; what may be another's at work stays."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not _UNFINISHED.fullmatch(entry.name):
                continue
            with contextlib.suppress(OSError):  # another process swept it, or it is not ours to delete
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > _LEFT_BEHIND:
                    os.unlink(entry.path)  # noqa: PTH108 - the entry's own path


def _write_beside(target: Path, content: bytes, write: Callable[[int, bytes], int]) -> None:
    temporary = target.parent / f".{target.name[:100]}.{secrets.token_hex(6)}.part"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        try:
            left = memoryview(content)
            while left:
                left = left[write(descriptor, bytes(left[: 1 << 24])) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    """Makes a rename survive a power cut, where the system has such a call."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    # The file is in place already; some network file systems refuse to flush a folder, which is no failure of the save.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
