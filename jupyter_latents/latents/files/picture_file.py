"""Latents inside a PNG: the bytes of a ``.safetensors`` file in a chunk of its own, in the latents' dtype.

The scheduler's history is left out, since it takes many times the room of a picture; who reads them is told.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_latents.errors import LatentsFileError, NameNotFoundError
from jupyter_latents.latents.files.content import Content
from jupyter_latents.latents.files.safetensors_file import read_safetensors_bytes, safetensors_bytes
from jupyter_latents.pictures.metadata.texts import read_texts

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["chunk_of", "read_picture_latents"]

_HISTORY = "the scheduler's history, which pictures do not hold; these latents continue without it"


def chunk_of(latents: Latents) -> bytes:
    """Latents as a PNG holds them, without history."""
    return safetensors_bytes(replace(latents, resume=None))


def read_picture_latents(path: Path) -> Content:
    """Reads the latents that stand in a picture.

    Args:
        path: A plain file.

    Raises:
        LatentsFileError: It is no picture, holds none, or they are damaged.
    """
    try:
        chunk = read_texts(path, str(path)).latents
    except NameNotFoundError as error:
        raise LatentsFileError(error.message) from error
    if not chunk:
        raise LatentsFileError(
            f"{path} holds a picture and no latents. Use it as a picture; one that holds them is written by the image "
            "format png;latents."
        )
    try:
        content = read_safetensors_bytes(chunk)
    except LatentsFileError as error:
        raise LatentsFileError(f"{path}: {error.message}") from error
    noisy = content.noise is not None and not content.noise.is_clean
    return replace(content, left_out=(*content.left_out, _HISTORY)) if noisy else content
