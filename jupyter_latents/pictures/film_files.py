"""Film files that come in: how many frames, of which size, how fast; frames are read when one is asked for."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import LatentsError, NameNotFoundError
from jupyter_latents.formats import MOST_PIXELS, format_of
from jupyter_latents.pictures.files import opened

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Film", "Frame", "film_of", "is_film"]

_CODEC = "imageio_ffmpeg"
_LOCAL = ["-protocol_whitelist", "file,crypto,data"]  # a playlist in a film's clothes reaches no network


def is_film(value: Any) -> bool:
    """Whether a value is a file that no reader of pictures reads: MP4 or WebM."""
    row = format_of(value.suffix) if isinstance(value, Path) else None
    return row is not None and bool(row.codec)


@dataclass(eq=False, slots=True)
class Film:
    """A film file.

    Attributes:
        path: The file.
        name: What the script calls it.
        count: Frames.
        size: (width, height) in pixels.
        fps: Frames a second; 0 where the file does not say.
        check: Called before each frame that is read; it raises to stop.
    """

    path: Path
    name: str
    count: int
    size: tuple[int, int]
    fps: float
    check: Callable[[], None]
    _read: list[Image] = field(default_factory=list, repr=False)

    @property
    def frames(self) -> Sequence[Frame]:
        """Its frames in order, none of them read yet."""
        return [Frame(self, number) for number in range(self.count)]

    def picture(self, number: int) -> Image:
        """A frame as a picture; the first that is asked for reads all.

        Raises:
            NameNotFoundError: The file ends before it, or is damaged.
        """
        if not self._read:
            self._read = list(_frames(self))
        if number >= len(self._read):
            raise NameNotFoundError(
                f"{self.name} ends after {len(self._read)} of its {self.count} frames: it is damaged. Write it again.",
                name=self.name,
            )
        return self._read[number]


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a film file.

    Attributes:
        film: The film.
        number: Its place, from 0.
    """

    film: Film
    number: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.film.size

    @property
    def picture(self) -> Image:
        """The frame, read."""
        return self.film.picture(self.number)


def film_of(path: Path, name: str, check: Callable[[], None]) -> Film | None:
    """What a file says of the film in it; None for a file of one picture.

    Args:
        path: The file.
        name: What the script calls it.
        check: Called while it is read; it raises to stop.

    Raises:
        LatentsError: MP4 or WebM, and there is no codec here.
        NameNotFoundError: It cannot be read.
    """
    if is_film(path):
        return _coded(path, name, check)
    row = format_of(path.suffix)
    if row is None or not (row.films or row.ending == "png"):
        return None
    with opened(path, name, check) as image:
        count = int(getattr(image, "n_frames", 1))
        if count == 1:
            return None
        image.load()  # WebP says only then how long a frame stays
        stay = float(image.info.get("duration") or 0)
        return Film(path, name, count, image.size, round(1000 / stay, 3) if stay else 0.0, check)


def _coded(path: Path, name: str, check: Callable[[], None]) -> Film:
    if importlib.util.find_spec(_CODEC) is None:
        raise LatentsError(
            f"{name} is a film, and there is no codec here: pip install {_CODEC.replace('_', '-')}, or give it as "
            ".webp, .gif or .apng, or as a list of pictures."
        )
    about = path.stat()
    said = _facts(str(path), about.st_mtime_ns, about.st_size)
    if isinstance(said, str):
        raise _damaged(name, said)
    count, size, fps = said
    if size[0] * size[1] > MOST_PIXELS:
        raise NameNotFoundError(f"{name} has frames of {size[0]}x{size[1]} pixels, too large to read.", name=name)
    return Film(path, name, count, size, fps, check)


@lru_cache(maxsize=64)
def _facts(path: str, _time: int, _size: int) -> tuple[int, tuple[int, int], float] | str:
    """Frames, size and frames a second of a film, each frame decoded and none kept; or what the codec says against it.

    Args:
        path: The file; with its time and size, since it may be written anew.
    """
    command = _command(path, "-c:v", "rawvideo", "-f", "framecrc")
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - the codec's program
    lines = done.stdout.decode(errors="replace").splitlines()
    head = dict(line[1:].split(" 0: ", 1) for line in lines if line.startswith("#") and " 0: " in line)
    rows = [[int(number) for number in line.split(",")[2:4]] for line in lines if line and not line.startswith("#")]
    if not rows or "dimensions" not in head:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return said[-1] if said else "there is no film in it"
    width, height = map(int, head["dimensions"].split("x"))
    ticks = max(row[0] for row in rows) - rows[0][0] + max(1, rows[-1][1])
    seconds = float(ticks * Fraction(head.get("tb", "1/25")))
    return len(rows), (width, height), round(len(rows) / seconds, 3)


def _command(path: str, *output: str) -> list[str]:
    """A command that writes what it reads of a film to its standard output, each frame once."""
    codec: Any = importlib.import_module(_CODEC)
    once = ["-map", "0:v:0", "-fps_mode", "passthrough", *output, "-"]
    return [codec.get_ffmpeg_exe(), "-v", "error", "-nostdin", *_LOCAL, "-i", path, *once]


def _frames(film: Film) -> Iterator[Image]:
    if not is_film(film.path):
        yield from _by_pillow(film)
        return
    from PIL import Image

    width, height = film.size
    command = _command(str(film.path), "-pix_fmt", "rgb24", "-f", "rawvideo")
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdout=pipe, stderr=nowhere) as process:  # noqa: S603 - the codec's program
        try:
            while process.stdout is not None:
                film.check()
                content = process.stdout.read(width * height * 3)
                if len(content) < width * height * 3:
                    return
                yield Image.frombytes("RGB", film.size, content)
        finally:
            process.kill()


def _by_pillow(film: Film) -> Iterator[Image]:
    with opened(film.path, film.name, film.check) as image:
        for number in range(film.count):
            film.check()
            image.seek(number)
            kept = "RGBA" if image.has_transparency_data else "RGB"
            yield image.convert(kept)


def _damaged(name: str, said: str) -> NameNotFoundError:
    return NameNotFoundError(f"{name} cannot be read as a film: {said[:200].rstrip('.')}. Write it again.", name=name)
