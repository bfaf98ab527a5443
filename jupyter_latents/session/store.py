"""Results of stages on disk, so that another kernel repeats none of them.

Each is one file, written whole or not at all: a plain zip of the latents after each step (``.safetensors``, with
scheduler and generator state), the pictures and a record. Its name is the stage's digest and the last step it holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
import zipfile
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import JupyterLatentsError, SettingError
from jupyter_latents.settings import SETTINGS, Settings
from jupyter_latents.wording import readable

if TYPE_CHECKING:
    from jupyter_latents.engine import StageResult
    from jupyter_latents.latents.value import Latents

__all__ = ["Store"]

_RECORD = "result.json"
_VERSION = 1
_LEFT_BEHIND = 600  # Seconds after which an unfinished file belongs to a kernel that is gone.
_DAMAGED = (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError, JupyterLatentsError)


class Store:
    """A folder of results, the least recently used deleted first; several kernels may share it.

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
        except OSError as error:
            raise SettingError(
                f"the store {folder} cannot be written to: {error.strerror}. Give a folder of your own, or off."
            ) from error
        self._sweep()

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
                result = _read(path)
            except _DAMAGED:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
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
        from jupyter_latents.latents.files.atomic import write_whole

        step = result.latents.position.step if result.latents.position is not None else 0
        path = self.folder / f"{key}-{step:06d}.zip"
        held = sorted(self.folder.glob(f"{key}-*.zip"))
        if held and held[-1].name >= path.name and not anew:
            return
        content = _packed(result)
        if len(content) > self.settings.store_size:
            return
        write_whole(path, content)
        for other in held:
            if other != path:
                other.unlink(missing_ok=True)
        self._make_room(path)

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
        total = sum(size for _, size, _ in files)
        for path, size, _ in files:
            if total <= self.settings.store_size:
                return
            if path != kept:
                path.unlink(missing_ok=True)
                total -= size

    def _sweep(self) -> None:
        """Deletes what killed kernels left unfinished."""
        for path in self.folder.glob(".*.zip.*.part"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _LEFT_BEHIND:
                    path.unlink()


def _packed(result: StageResult) -> bytes:
    """A result as one file."""
    from jupyter_latents.latents.files.safetensors_file import safetensors_bytes

    steps: list[Latents] = list(result.latents.trajectory) or [result.latents]
    ends = steps[-1].digest == result.latents.digest
    steps += [] if ends else [result.latents]
    record: dict[str, Any] = {
        "version": _VERSION,
        "steps": len(steps),
        "trajectory": len(result.latents.trajectory),
        "images": len(result.images),
        "span": asdict(result.span),
        "stopped": result.stopped,
        "timesteps": result.timesteps,
        "rule": result.rule,
        "train_timesteps": result.train_timesteps,
    }
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as file:
        file.writestr(_RECORD, json.dumps(record))
        for number, latents in enumerate(steps):
            file.writestr(_step(number), safetensors_bytes(latents))
        for number, image in enumerate(result.images):
            png = BytesIO()
            image.save(png, "PNG")
            file.writestr(_picture(number), png.getvalue())
    return packed.getvalue()


def _read(path: Path) -> StageResult:
    """A result from its file."""
    from PIL import Image

    from jupyter_latents.engine import Span, StageResult
    from jupyter_latents.latents.value import Latents

    with zipfile.ZipFile(path) as file:
        record = json.loads(_member(file, _RECORD))
        if record["version"] != _VERSION:
            raise ValueError(f"store version {record['version']}")
        steps = [Latents.from_bytes(_member(file, _step(number))) for number in range(record["steps"])]
        images = []
        for number in range(record["images"]):
            with Image.open(BytesIO(_member(file, _picture(number)))) as image:
                images.append(image.convert("RGB"))
    trajectory = tuple(steps[: record["trajectory"]])
    return StageResult(
        steps[-1].replace(trajectory=trajectory),
        tuple(images),
        Span(**record["span"]),
        0,
        bool(record["stopped"]),
        tuple(record["timesteps"]),
        record["rule"],
        int(record["train_timesteps"]),
    )


def _member(file: zipfile.ZipFile, name: str) -> bytes:
    """A member's bytes, checked against its checksum; nothing is ever inflated."""
    if file.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    return file.read(name)


def _step(number: int) -> str:
    return f"step-{number:05d}.safetensors"


def _picture(number: int) -> str:
    return f"picture-{number}.png"
