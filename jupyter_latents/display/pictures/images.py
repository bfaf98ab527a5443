"""Small encoded pictures: JPEG for frames, PNG for what is kept, montages for batches."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jupyter_latents.pictures.films import kind_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.latents.clip import Clip

__all__ = ["data_uri", "frame", "jpeg", "montage", "png", "shown", "shrunk"]

_GAP = 2


def jpeg(image: Image, side: int | None = None, quality: int = 85) -> bytes:
    """A picture as JPEG bytes.

    Args:
        image: Any PIL picture.
        side: Longest side in pixels at most; None to keep the size.
        quality: JPEG quality.
    """
    content = io.BytesIO()
    shrunk(image, side).convert("RGB").save(content, "JPEG", quality=quality)
    return content.getvalue()


def png(image: Image, limit: int | None = None) -> bytes:
    """A picture as PNG bytes, made smaller until it fits.

    Args:
        image: Any PIL picture.
        limit: Bytes at most; None for no limit. Below 32 pixels nothing is made smaller.
    """
    side = max(image.size)
    while True:
        content = io.BytesIO()
        shrunk(image, side).save(content, "PNG")  # optimize=True makes it 3 % smaller for ten times the time
        if limit is None or content.tell() <= limit or side <= 32:
            return content.getvalue()
        side = max(32, min(int(side * 0.9), int(side * math.sqrt(limit / content.tell()))))


def shrunk(image: Image, side: int | None) -> Image:
    """The picture with its longest side at most `side` pixels."""
    if side is None or max(image.size) <= side:
        return image
    from PIL.Image import Resampling

    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Resampling.LANCZOS)


def frame(pictures: Sequence[Image | Clip], side: int) -> bytes:
    """What is shown of a step: its pictures as one JPEG, its clips as one animated WebP.

    Args:
        pictures: One for each item of the batch.
        side: Longest side in pixels at most.
    """
    from jupyter_latents.latents.clip import Clip

    clips = [one for one in pictures if isinstance(one, Clip)]
    if not clips:
        return jpeg(montage([one for one in pictures if not isinstance(one, Clip)]), side)
    joined = Clip([montage(list(moment)) for moment in zip(*clips, strict=True)], clips[0].fps)
    return joined.animation(side)


def shown(picture: Image | Clip, side: int | None = None) -> bytes:
    """A picture as JPEG bytes, a clip as an animated WebP.

    Args:
        picture: A picture or a clip.
        side: Longest side in pixels at most; None to keep a picture's size.
    """
    from jupyter_latents.latents.clip import Clip

    if isinstance(picture, Clip):
        return picture.animation() if side is None else picture.animation(side)
    return jpeg(picture, side)


def montage(images: Sequence[Image]) -> Image:
    """Several pictures of one size in a grid as square as can be; one picture stays itself.

    Args:
        images: One or more pictures.
    """
    if len(images) == 1:
        return images[0]
    from PIL import Image as PilImage

    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    width = max(image.width for image in images) + _GAP
    height = max(image.height for image in images) + _GAP
    sheet = PilImage.new("RGB", (columns * width - _GAP, rows * height - _GAP), (128, 128, 128))
    for index, image in enumerate(images):
        sheet.paste(image, (index % columns * width, index // columns * height))
    return sheet


def data_uri(content: bytes, kind: str = "") -> str:
    """Encoded picture bytes as the ``src`` of an ``<img>``; without a kind, JPEG or WebP."""
    return f"data:image/{kind or kind_of(content)};base64,{base64.b64encode(content).decode()}"
