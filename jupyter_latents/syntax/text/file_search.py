"""Files that match a pattern, as Python's `glob` finds them; a search can be stopped in any folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from glob import glob, has_magic

__all__ = ["search"]


def search(pattern: str, check: Callable[[], None], *, recursive: bool = False) -> Iterator[str]:
    """Files and folders that match a pattern, each once, in no order.

    Hidden ones are left out unless the pattern names them. A link to a folder is followed once.

    Args:
        pattern: A path with ``*``, ``?`` and ``[...]`` in it; ``**`` is any number of folders.
        check: Called in each folder; it raises to stop.
        recursive: Whether ``**`` is more than ``*``.
    """
    drive, path = os.path.splitdrive(pattern)
    root = drive + path[: len(path) - len(path.lstrip(os.sep))]
    parts = [part for part in path.split(os.sep) if part]  # noqa: PTH206 - `..` and `.` stay
    if path.endswith(os.sep) and parts:
        parts.append("")  # folders alone
    seen = set[str]()
    for found in _below(root, tuple(parts), check, recursive=recursive):
        if found not in seen:
            seen.add(found)
            yield found


def _below(base: str, parts: tuple[str, ...], check: Callable[[], None], *, recursive: bool) -> Iterator[str]:
    """What matches the parts of a pattern, below a folder that its earlier parts matched."""
    check()
    if not parts:
        yield base
        return
    part, rest = parts[0], parts[1:]
    if recursive and part == "**":
        folders = _folders(base, check, set())
        for folder in folders:
            if rest:
                yield from _below(folder, rest, check, recursive=True)
            else:
                if folder:
                    yield os.path.join(folder, "") if folder == base else folder  # noqa: PTH118 - as glob
                yield from _named(folder, "*", folders=False)
    elif not part:
        if os.path.isdir(base):  # noqa: PTH112 - see `_named`
            yield os.path.join(base, "")  # noqa: PTH118 - keeps the separator
    else:
        for name in _named(base, part, folders=bool(rest)):
            yield from _below(name, rest, check, recursive=recursive)


def _named(base: str, part: str, *, folders: bool) -> Iterator[str]:
    """What bears a name in a folder, as the pattern writes it."""
    if has_magic(part):
        names = glob(part, root_dir=base or None)  # noqa: PTH207 - names as the pattern writes them
    else:
        names = [part] if os.path.lexists(os.path.join(base, part)) else []  # noqa: PTH118 - `Path` drops `./`
    for name in names:
        path = os.path.join(base, name)  # noqa: PTH118 - see above
        if not folders or os.path.isdir(path):  # noqa: PTH112 - see above
            yield path


def _folders(base: str, check: Callable[[], None], entered: set[tuple[int, int]]) -> Iterator[str]:
    """A folder and all folders below it that are not hidden."""
    check()
    try:
        known = os.stat(base or os.curdir)  # noqa: PTH116 - see above
        names = sorted(entry.name for entry in os.scandir(base or os.curdir) if entry.is_dir())
    except OSError:  # it vanished, or may not be read
        return
    if (known.st_dev, known.st_ino) in entered:
        return
    entered.add((known.st_dev, known.st_ino))
    yield base
    for name in names:
        if not name.startswith("."):
            yield from _folders(os.path.join(base, name), check, entered)  # noqa: PTH118 - see above
