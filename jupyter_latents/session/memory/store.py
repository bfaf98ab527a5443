"""Results of stages on disk, so that another kernel repeats none of them.

Each is one file (`result_file`), written whole or not at all. Its name is the stage's digest and its last step.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_latents.errors import SettingError
from jupyter_latents.latents.files.atomic import sweep, write_whole
from jupyter_latents.paths import destination, explain
from jupyter_latents.session.memory.claims import Claims
from jupyter_latents.session.memory.result_file import DAMAGED, pack, unpack
from jupyter_latents.settings import SETTINGS, Settings
from jupyter_latents.wording import readable

if TYPE_CHECKING:
    from jupyter_latents.engine import StageResult

__all__ = ["Store", "store_in"]

_LEAD = ".lead"
_NOTED = re.compile(rb"([0-9a-f]{64}) ([0-9]{1,6})")
_LONGEST = 100


class Store:
    """A folder of results, the least recently used deleted first; several kernels and machines may share it.

    Attributes:
        claims: Say which results somebody is making now.

    Args:
        folder: Where; it is made when missing.
        settings: Say how many bytes it may take.

    Raises:
        SettingError: The folder cannot be made or written to.
    """

    def __init__(self, folder: Path, settings: Settings = SETTINGS) -> None:
        self.folder, self.settings = folder, settings
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except (OSError, ValueError) as error:  # ValueError: a name with a null character
            raise SettingError(
                f"the store {str(folder)!r} cannot be written to: {explain(error)}. Give a folder of your own, or off."
            ) from error
        sweep(folder)
        self.claims = Claims(folder)
        self.claims.sweep()

    def __len__(self) -> int:
        return len(self._files())

    @property
    def bytes(self) -> int:
        """Bytes that its files take."""
        return sum(size for _, size, _ in self._files())

    def get(self, key: str) -> StageResult | None:
        """The result that goes furthest, or None; a damaged file is deleted, one that cannot be read is left.

        Args:
            key: Digest of the stage.
        """
        for path in sorted(self.folder.glob(f"{key}-*.zip"), reverse=True):
            try:
                result = unpack(key, path)
            except DAMAGED:
                _delete(path)
                continue
            except OSError:
                continue  # too many open files, another kernel deleted it: that says nothing about what is in it
            with contextlib.suppress(OSError):
                os.utime(path)
            return result
        return None

    def put(self, key: str, result: StageResult, *, anew: bool = False) -> None:
        """Writes a result, unless one that goes as far is there; makes room for it.

        Args:
            key: Digest of the stage.
            result: What the stage made.
            anew: Whether it takes the place of what is there, whatever that is.

        Raises:
            LatentsFileError: It cannot be written; the store is as it was.
        """
        step = result.latents.position.step if result.latents.position is not None else 0
        path = self.folder / f"{key}-{step:06d}.zip"
        held = sorted(self.folder.glob(f"{key}-*.zip"))
        if held and held[-1].name >= path.name and not anew:
            return
        content = pack(key, result)
        if len(content) > self.settings.store_size:
            return
        write_whole(path, content)
        for other in held:
            if other != path:
                _delete(other)
        self._make_room(path)

    def put_lead(self, lead: str, key: str, end: int) -> None:
        """Notes that a result begins as others may; one that is known to go as far stays.

        Args:
            lead: Digest of the beginning.
            key: Digest of the stage whose result it is.
            end: Whole steps of it that count.

        Raises:
            LatentsFileError: It cannot be written.
        """
        known = self.lead(lead)
        if known is None or known[1] < end or not list(self.folder.glob(f"{known[0]}-*.zip")):
            write_whole(self.folder / f"{lead}{_LEAD}", f"{key} {end}".encode())

    def lead(self, lead: str) -> tuple[str, int] | None:
        """The stage whose result begins so, and how far that counts; None where none is known.

        Args:
            lead: Digest of the beginning.
        """
        try:
            found = _NOTED.fullmatch((self.folder / f"{lead}{_LEAD}").read_bytes()[:_LONGEST])
        except OSError:
            return None
        return (found[1].decode(), int(found[2])) if found else None

    def __repr__(self) -> str:
        return (
            f"store {self.folder}: {len(self)} results, {readable(self.bytes)} of at most "
            f"{readable(self.settings.store_size)}"
        )

    def _files(self) -> list[tuple[Path, int, float]]:
        """Path, size and time of last use of each result, the least recently used first."""
        found = []
        for path in self.folder.glob("*-*.zip"):
            with contextlib.suppress(OSError):  # another kernel may delete it
                status = path.stat()
                found.append((path, status.st_size, status.st_mtime))
        return sorted(found, key=lambda item: item[2])

    def _make_room(self, kept: Path) -> None:
        files = self._files()
        total, whole = sum(size for _, size, _ in files), len(files)
        while files and total > self.settings.store_size:
            path, size, _ = files.pop(0)
            if path != kept:
                _delete(path)
                total -= size
        if len(files) < whole:
            self._drop_leads()

    def _drop_leads(self) -> None:
        """Deletes the notes of results that are gone."""
        there = {path.name.partition("-")[0] for path, _, _ in self._files()}
        for path in self.folder.glob(f"*{_LEAD}"):
            known = self.lead(path.name.removesuffix(_LEAD))
            if known is None or known[0] not in there:
                _delete(path)


def _delete(path: Path) -> None:
    """Deletes a file; one that another kernel deleted or that cannot be deleted now costs no run anything."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def store_in(folder: str, settings: Settings) -> Store:
    """The store in a folder, as a person names it.

    Args:
        folder: The folder, made when missing.
        settings: Say how many bytes it may take.

    Raises:
        SettingError: The folder has no name, is in nobody's home, or cannot be written to.
    """
    if not folder.strip():
        raise SettingError("the store has no name; give a folder of your own, or off.")
    try:
        return Store(destination(folder), settings)
    except FileNotFoundError as error:
        raise SettingError(f"the store {folder!r} cannot be written to: {explain(error)}.") from error
