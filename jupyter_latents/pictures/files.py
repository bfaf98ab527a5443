"""Picture files: which formats are read, and how a file is opened, heard and bounded."""

from __future__ import annotations

import io
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from jupyter_latents.errors import NameNotFoundError, nearest
from jupyter_latents.formats import MOST_PIXELS
from jupyter_latents.paths import explain, is_folder

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["FORMATS", "opened"]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF")
"""Pillow's names of the formats that are read. No other reader is tried: some of them start programs."""

# What Pillow's readers raise at a damaged or hostile file.
_DAMAGED = (
    *(OSError, ValueError, SyntaxError, TypeError, IndexError, KeyError, AttributeError, EOFError),
    *(OverflowError, ZeroDivisionError, MemoryError, RuntimeError, struct.error),
)


class _Heard:
    """A file that asks before each block whether to go on; it has no descriptor, so no reader goes round it.

    Args:
        file: The file.
        check: Called before each block; it raises to stop.
    """

    def __init__(self, file: IO[bytes], check: Callable[[], None]) -> None:
        self._check, self._read = check, file.read
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        self._check()
        return self._read(size)


@contextmanager
def opened(source: Path | bytes, name: str, check: Callable[[], None]) -> Iterator[Image]:
    """A picture file with its header read; what is read of it within raises the same errors.

    Args:
        source: A plain file, or the bytes of one.
        name: What the script calls it.
        check: Called before each block that is read; it raises to stop.

    Raises:
        NameNotFoundError: It is not there, no picture, of a format that is not read, damaged, or too large.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with _file(source, name) as file:
            heard: Any = _Heard(file, check)
            with Image.open(heard, formats=[kind for kind in FORMATS if _has(kind)]) as image:
                _check_size(image.size, name)
                yield image
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except UnidentifiedImageError as error:
        raise NameNotFoundError(
            f"{name} cannot be read as a picture: it is damaged, or none of {', '.join(FORMATS)}. Save it as PNG.",
            name=name,
        ) from error
    except _DAMAGED as error:
        said = str(error).partition("\n")[0][:200] or type(error).__name__
        raise NameNotFoundError(
            f"{name} cannot be read as a picture: {said.rstrip('.')}. Save it again as PNG.", name=name
        ) from error


def _has(kind: str) -> bool:
    """Whether this Pillow can read a format at all."""
    from PIL import Image

    Image.init()
    return kind in Image.OPEN


def _file(source: Path | bytes, name: str) -> IO[bytes]:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        mode = source.stat().st_mode
    except FileNotFoundError as error:
        beside = [other.name for other in source.parent.iterdir()] if is_folder(source.parent) else []
        where = "" if source.is_absolute() else f" in {Path.cwd()}"
        raise NameNotFoundError(f"no file {name}{where}{nearest(source.name, beside) or '.'}", name=name) from error
    except (OSError, ValueError) as error:
        raise NameNotFoundError(f"{name} cannot be read: {explain(error)}.", name=name) from error
    if stat.S_ISREG(mode):
        return source.open("rb")
    what = "a folder; name a picture in it" if stat.S_ISDIR(mode) else "no plain file; save the picture in one"
    raise NameNotFoundError(f"{name} is {what}.", name=name)


def _check_size(size: tuple[int, int], name: str) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        raise _too_large(name, f" of {size[0]}x{size[1]} pixels")


def _too_large(name: str, size: str = "") -> NameNotFoundError:
    return NameNotFoundError(
        f"{name} is a picture{size}, and at most {MOST_PIXELS // 1_000_000} million pixels are read. Make it smaller.",
        name=name,
    )
