"""A clip: pictures one after the other, that plays where a cell ends with it and is written as a film."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from jupyter_latents.errors import LatentsFileError, SettingError
from jupyter_latents.formats import FILMS, endings, format_of, listed
from jupyter_latents.latents.arguments import file_path
from jupyter_latents.latents.files.atomic import write_whole
from jupyter_latents.latents.film_path import FilmPath
from jupyter_latents.pictures.films import film_bytes, moving
from jupyter_latents.wording import option

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from PIL.Image import Image

__all__ = ["FPS", "Clip", "check_fps", "check_still", "frames_of", "still", "stills"]

FPS = 16
"""Frames a second where nobody says, as Wan's models make them."""

_MOST_FPS = 120
_SHOWN, _BYTES = 512, 150_000  # pixels and bytes of what a notebook keeps


class Clip(list["Image"]):
    """The frames of a clip in order: a list of PIL pictures of one size.

    Args:
        frames: The pictures.
        fps: Frames a second.
        texts: What says how it was made, written into files that have room for it.
    """

    def __init__(self, frames: Iterable[Image], fps: float = FPS, texts: Mapping[str, str] | None = None) -> None:
        super().__init__(frames)
        self.fps, self.texts = fps, dict(texts or {})

    @overload
    def __getitem__(self, index: SupportsIndex) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> Clip: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Image | Clip:
        """A frame, or a clip of the frames of a slice, at the same speed."""
        found: Any = super().__getitem__(index)
        return Clip(found, self.fps, self.texts) if isinstance(index, slice) else found

    @property
    def still(self) -> Image:
        """The frame in the middle, where one picture stands for all."""
        return self[len(self) // 2]

    def save(self, path: str | os.PathLike[str], *, fps: float | None = None) -> Path:
        """Writes it as a film, whole or not at all; for MP4 and WebM imageio and imageio-ffmpeg bring the codec.

        Args:
            path: Ends in ``.mp4``, ``.webm``, ``.gif``, ``.apng`` or ``.webp``.
            fps: Frames a second, above 0 and at most 120; None for the clip's own.

        Returns:
            The path written; a cell that ends with it shows the film.

        Raises:
            LatentsError: There is no codec for this film here.
            LatentsFileError: Another ending, no frames, or the file cannot be written.
            SettingError: No such number of frames a second.
        """
        target = file_path(path)
        kind = format_of(target.suffix)
        if kind is None or not kind.films:
            raise LatentsFileError(
                f"{target.name} is no name of a film; films end in {', '.join(FILMS)}. One frame is "
                "written by clip[0].save(...)."
            )
        if not self:
            raise LatentsFileError(f"a clip without frames cannot be written to {target.name}.")
        write_whole(target, self.encoded(kind.ending, self.fps if fps is None else check_fps(fps)))
        return FilmPath(target)

    def encoded(self, ending: str, fps: float | None = None) -> bytes:
        """The bytes of its film.

        Args:
            ending: ``mp4``, ``webm``, ``gif``, ``apng`` or ``webp``.
            fps: Frames a second; None for the clip's own.
        """
        return film_bytes(self, ending, fps or self.fps, self.texts)

    def animation(self, side: int = _SHOWN, most: int = _BYTES) -> bytes:
        """An animated WebP that a page shows in an ``<img>``: every notebook plays it, without a kernel.

        Args:
            side: Longest side in pixels at most.
            most: Bytes at most; it is thinned and made smaller until it fits.
        """
        return moving(self, self.fps, side, most, _shrunk)

    def __repr__(self) -> str:
        size = f" of {self[0].width} × {self[0].height} pixels" if self else ""
        return f"<Clip of {len(self)} frames{size}, {self.fps:g} a second>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        if not self:
            return {"text/plain": repr(self)}
        film = base64.b64encode(self.animation()).decode()
        shown = io.BytesIO()
        _shrunk(self.still, 192).save(shown, "PNG")
        return {
            "text/plain": repr(self),
            "text/html": f'<img alt="{len(self)} frames" src="data:image/webp;base64,{film}">',
            "image/png": base64.b64encode(shown.getvalue()).decode(),
        }


def _shrunk(image: Image, side: int) -> Image:
    if max(image.size) <= side:
        return image
    scale = side / max(image.size)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))


def check_fps(fps: object) -> float:
    """Frames a second.

    Raises:
        SettingError: It is no number above 0 and at most 120.
    """
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps <= _MOST_FPS:
        raise SettingError(f"fps is {fps!r}; it is the number of frames a second, above 0 and at most {_MOST_FPS}.")
    return float(fps)


def check_still(ending: str | None, model: str) -> None:
    """Raises where a model of pictures is to write a film.

    Args:
        ending: What is to be written, as ``--image-format`` says it.
        model: The model's name.

    Raises:
        LatentsFileError: It is a film.
    """
    if f".{(ending or '').partition(';')[0]}" in endings("film"):
        raise LatentsFileError(
            f"{option('image_format')} {ending} is for clips, and {model} makes pictures. Use "
            f"{listed('picture', 'or')}.",
            option="image_format",
        )


def still(picture: Image | Clip) -> Image:
    """A picture, or the one that stands for a clip."""
    return picture.still if isinstance(picture, Clip) else picture


def frames_of(pictures: Sequence[Image | Clip]) -> list[Image]:
    """All pictures, those of clips frame by frame."""
    return [frame for one in pictures for frame in (one if isinstance(one, Clip) else (one,))]


def stills(pictures: Sequence[Image | Clip]) -> list[Image]:
    """One picture for each."""
    return [still(picture) for picture in pictures]
