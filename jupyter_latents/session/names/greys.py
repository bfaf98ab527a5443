"""How grey masks are, found for a plan: a file is read once, however many stages and plans ask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jupyter_latents.pictures.film_files import Frame
from jupyter_latents.pictures.reading import read_mask
from jupyter_latents.processing import grey_share
from jupyter_latents.session.names.changes import changed
from jupyter_latents.session.names.kinds import is_standing
from jupyter_latents.stage import Address
from jupyter_latents.stopping import check

__all__ = ["grey_of"]


def grey_of(masks: Iterable[tuple[Any, str]], links: Sequence[Address]) -> float:
    """The share of the pixels of a mask that are grey, of several the largest; see `grey_share`.

    Latents in the place of masks and the frames of films are not looked at; the run tells of them.

    Args:
        masks: Masks, each with what to call it.
        links: The processors of masks.

    Raises:
        NameNotFoundError: One is no picture that can be read.
    """
    seen = [(item, name) for item, name in masks if not (is_standing(item) or isinstance(item, Frame))]
    if any(link.get("pre-resize") for link in links):
        return max(map(grey_share, changed((read_mask(*one, check) for one in seen), links)), default=0.0)
    return max((_grey(item, name) for item, name in seen), default=0.0)


def _grey(item: Any, name: str) -> float:
    if not isinstance(item, Path):
        return grey_share(read_mask(item, name, check))
    facts = item.stat()
    return _of_file(item, name, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=256)
def _of_file(path: Path, name: str, _changed: int, _size: int) -> float:
    return grey_share(read_mask(path, name, check))
