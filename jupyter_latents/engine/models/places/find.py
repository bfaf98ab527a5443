"""Where model files are: demo models, folders, single files, the hub's cache, and the hub where it may be asked.

What is on this machine comes first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from jupyter_latents import demo
from jupyter_latents.engine.models.places.hub import HubFiles, absence, fetch, hub_is_off
from jupyter_latents.engine.models.places.names import Wanted, cached_folder, not_found
from jupyter_latents.errors import ModelError, nearest
from jupyter_latents.paths import is_there, leaves, opened
from jupyter_latents.wording import option

__all__ = ["find"]

_LINK = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)/(?:blob|resolve)/([^/]+)/([^?]+)(?:\?.*)?"
)


def find(wanted: Wanted, settings: Callable[[], Path]) -> Path | HubFiles:
    """The folder or file that a name means.

    Args:
        wanted: What is looked for.
        settings: Fetches from the hub what it says of itself, and returns its folder; called where it is nowhere else.

    Returns:
        The folder or file; of a link to a file of the hub that is not here, which one that is.

    Raises:
        ModelError: It is nowhere, or a revision is asked for of what is no repository of the hub.
    """
    name = wanted.name
    if name in demo.MODELS:
        _check_revision(wanted, "a demo model")
        return demo.path(name)
    if name.startswith("demo/"):
        hint = nearest(name, demo.MODELS) or "."
        raise ModelError(
            f"no demo model {name!r}{hint} The demo models are {', '.join(demo.MODELS)}.", option=wanted.dest
        )
    link = _LINK.fullmatch(name)
    if link:
        _check_revision(wanted, f"a link to a file of revision {link[2]}")
        return _linked(wanted, *link.groups())
    if "://" in name:
        raise ModelError(
            f"{wanted.what} {name!r}: only links to files on the model hub are read; fetch it and give its path.",
            option=wanted.dest,
        )
    path = opened(os.path.expandvars(name))  # what is kept of a cell says $NAME where the cell did
    if is_there(path):
        _check_revision(wanted, "on this machine")
        return path
    if not wanted.is_repository:
        raise not_found(wanted)
    return cached_folder(name, wanted.marks, wanted.revision) or fetch(wanted, settings)


def _check_revision(wanted: Wanted, what: str) -> None:
    """Raises where a revision is asked for that would change nothing."""
    if wanted.revision is None:
        return
    given = "revision" if wanted.dest else option("revision")
    raise ModelError(
        f"{wanted.name} is {what}: {given} {wanted.revision} chooses among those of a hub model. Leave {given} out.",
        option=wanted.dest or "revision",
    )


def _linked(wanted: Wanted, name: str, revision: str, path: str) -> Path | HubFiles:
    if leaves(path):
        raise ModelError(
            f"{wanted.what} {wanted.name!r} leaves the folder of {name}; give a file in it.", option=wanted.dest
        )
    folder = cached_folder(name, (path,), revision)
    if folder is not None:
        return folder / path
    repository = Wanted(name, wanted.dest, (path,), revision, wanted.token, wanted.offline)
    if wanted.offline or hub_is_off():
        raise absence(repository)
    return HubFiles(repository, (path,))
