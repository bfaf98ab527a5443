"""What MP4 and WebM files say of how they were made: their comment holds our record, their description A1111's text."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jupyter_latents.errors import LatentsError, NameNotFoundError
from jupyter_latents.pictures.metadata.texts import MOST, OURS, PARAMETERS

__all__ = ["FILM_KEYS", "read_film_texts"]

FILM_KEYS: Mapping[str, str] = MappingProxyType({OURS: "comment", PARAMETERS: "description"})
"""What films call each of our texts."""

_CODEC = "imageio_ffmpeg"
_ROW = re.compile(r"^([A-Za-z_]+)=((?:[^\\\n]|\\[\s\S])*)", re.MULTILINE)
_SECONDS = 60


def read_film_texts(source: Path | bytes, name: str) -> Mapping[str, str]:
    """The texts in a film's file, by our keys.

    Args:
        source: The file, or the bytes of one.
        name: What to call it.

    Raises:
        LatentsError: There is no codec here.
        NameNotFoundError: It cannot be read, or one of its texts is too long.
    """
    if importlib.util.find_spec(_CODEC) is None:
        package = _CODEC.replace("_", "-")
        raise LatentsError(
            f"{name} is a film, and there is no codec here that reads what it says: pip install {package}."
        )
    if isinstance(source, Path):
        return _told(source, name)
    with tempfile.TemporaryDirectory(prefix="jupyter-latents-") as folder:
        path = Path(folder) / "film"  # what is in it is known by its bytes
        path.write_bytes(source)
        return _told(path, name)


def _told(path: Path, name: str) -> Mapping[str, str]:
    codec: Any = importlib.import_module(_CODEC)
    whitelist = ["-protocol_whitelist", "file,crypto,data"]  # a playlist in a film's clothes reaches no network
    command = [codec.get_ffmpeg_exe(), "-v", "error", "-nostdin", *whitelist, "-i", str(path), "-f", "ffmetadata", "-"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_SECONDS)  # noqa: S603 - the codec's program
    except subprocess.TimeoutExpired as error:
        raise NameNotFoundError(
            f"{name} cannot be read as a film in {_SECONDS} s. Write it again.", name=name
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["there is no film in it"]
        raise NameNotFoundError(f"{name} cannot be read as a film: {said[-1][:200].rstrip('.')}.", name=name)
    if len(done.stdout) > 2 * MOST:
        raise NameNotFoundError(f"{name} holds a text of more than the {MOST} characters that are read.", name=name)
    found = {key.lower(): _plain(text) for key, text in _ROW.findall(done.stdout.decode(errors="replace"))}
    return MappingProxyType({ours: found[key] for ours, key in FILM_KEYS.items() if key in found})


def _plain(text: str) -> str:
    """A text without the codec's escapes."""
    return re.sub(r"\\([\s\S])", r"\1", text)
