"""Film files: pictures one after the other as MP4, WebM, GIF, animated PNG or animated WebP."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import LatentsError, LatentsFileError, LatentsWarning
from jupyter_latents.formats import FILMS, FORMATS, FileFormat, format_of
from jupyter_latents.pictures.film_texts import FILM_KEYS
from jupyter_latents.pictures.metadata.texts import no_room, storable, write_picture

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["check_codec", "film_bytes", "kind_of", "moving"]

_CODECS = ("imageio", "imageio_ffmpeg")
_WITHOUT_CODEC = f"write {', '.join(f'.{row.ending}' for row in FORMATS if row.films and not row.codec)} instead"
_NO_TEXTS: Mapping[str, str] = MappingProxyType({})
_FRAMES = 40  # of a film that is small enough for a notebook
_MOST_SAID = 100_000 if sys.platform != "win32" else 30_000  # bytes that systems take as one word of a command
_LEAST = 48  # pixels of its longest side


def film_bytes(
    frames: Sequence[Image],
    ending: str,
    fps: float,
    texts: Mapping[str, str] = _NO_TEXTS,
    *,
    durations: Sequence[int] = (),
    otherwise: str = _WITHOUT_CODEC,
) -> bytes:
    """A film as the bytes of a file.

    Args:
        frames: Its pictures, all of one size.
        ending: ``mp4``, ``webm``, ``gif``, ``apng`` or ``webp``.
        fps: Pictures a second.
        texts: What says how it was made.
        durations: Milliseconds that each picture stays, where it is not by `fps`; not for MP4 and WebM.
        otherwise: What to do where there is no codec, for the message.

    Raises:
        LatentsError: MP4 or WebM, and there is no codec here.
        LatentsFileError: Another ending, or frames of several sizes.
    """
    row = format_of(ending)
    if row is None or not row.films:
        raise LatentsFileError(f".{ending} is no ending of a film; films end in {', '.join(FILMS)}.")
    if row.codec:
        return _coded(frames, row, fps, texts, otherwise)
    first, *rest = frames
    content = BytesIO()
    each = list(durations) or [round(1000 / fps)] * len(frames)
    film: dict[str, Any] = {"save_all": True, "append_images": rest, "duration": each, "loop": 0}
    write_picture(first, content, row.writer, texts, **film)
    return content.getvalue()


def check_codec(ending: str, otherwise: str) -> None:
    """Sees that there is a codec for films of an ending.

    Args:
        ending: The ending, without its dot.
        otherwise: What to do without the codec, as an order.

    Raises:
        LatentsError: There is none.
    """
    row = format_of(ending)
    missing = [name for name in _CODECS if importlib.util.find_spec(name) is None] if row and row.codec else []
    if missing:
        packages = " ".join(name.replace("_", "-") for name in missing)
        raise LatentsError(f"there is no film codec here; pip install {packages}, or {otherwise}.")


def _coded(frames: Sequence[Image], row: FileFormat, fps: float, texts: Mapping[str, str], otherwise: str) -> bytes:
    check_codec(row.ending, otherwise)
    import imageio.v2 as imageio
    import numpy as np

    said = _said(texts, row)
    if len({frame.size for frame in frames}) > 1:
        raise LatentsFileError("the frames of a film are of one size, and these are of several; resize them first.")
    with tempfile.TemporaryDirectory(prefix="jupyter-latents-") as folder:
        path = os.path.join(folder, f"film.{row.ending}")  # noqa: PTH118 - imageio takes text
        writer: Any = imageio.get_writer(path, fps=fps, codec=row.codec, macro_block_size=2, output_params=said)
        with writer:
            for frame in frames:
                writer.append_data(np.asarray(_even(frame)))
        return Path(path).read_bytes()


def _said(texts: Mapping[str, str], row: FileFormat) -> list[str]:
    """What says how it was made, as words of the codec's command, which have an end."""
    told: list[str] = []
    for key, called in FILM_KEYS.items():
        text = storable(texts.get(key, ""))
        if len(text.encode()) > _MOST_SAID:
            warnings.warn(no_room(row.ending, [key]), LatentsWarning, stacklevel=2)
        elif text:
            told += ["-metadata", f"{called}={text}"]
    return told


def _even(image: Image) -> Image:
    """A picture with even sides, which the codecs ask for."""
    return image.crop((0, 0, max(2, image.width - image.width % 2), max(2, image.height - image.height % 2)))


def moving(frames: Sequence[Image], fps: float, side: int, most: int, resize: Callable[[Image, int], Image]) -> bytes:
    """A film as an animated WebP that a page shows in an ``<img>``, thinned and made smaller until it fits.

    Args:
        frames: Its pictures.
        fps: Pictures a second.
        side: Longest side in pixels at most.
        most: Bytes at most; below 48 pixels nothing is made smaller.
        resize: Makes a picture of a longest side.
    """
    last, every = len(frames) - 1, max(1, -(-len(frames) // _FRAMES))
    kept = [frames[number] for number in range(0, last + 1, every)]
    while True:
        small = [resize(frame, side) for frame in kept]
        content = film_bytes(small, "webp", fps / every)
        if len(content) <= most or side <= _LEAST:
            return content
        side = max(_LEAST, min(round(side * 0.85), round(side * (most / len(content)) ** 0.5)))


def kind_of(content: bytes) -> str:
    """What encoded bytes of a picture or a film are, JPEG or WebP, as the end of a media type."""
    return "webp" if content[:4] == b"RIFF" else "jpeg"
