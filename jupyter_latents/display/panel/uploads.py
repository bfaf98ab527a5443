"""Files dropped into the panel become kernel variables."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_latents.errors import LatentsFileError
from jupyter_latents.formats import endings, holds_latents
from jupyter_latents.latents.arguments import shown

from .variables import free_name

if TYPE_CHECKING:
    from jupyter_latents.session import Session

__all__ = ["take_file"]


def take_file(session: Session, file: str, content: bytes, field: str) -> str:
    """Binds a file's picture or latents to a variable named after the file.

    Args:
        session: Where it is bound.
        file: The file's name, as a front end tells it.
        content: Its bytes.
        field: The field that it was put into: ``image``, ``mask`` or ``latents``.

    Returns:
        The variable's name.

    Raises:
        LatentsFileError: It holds no latents.
        NameNotFoundError: It holds no picture.
    """
    name = free_name(file, session.names)
    if field == "latents":
        _load(session, name, file, content)
        return name
    from jupyter_latents.pictures.reading import read_mask, read_picture

    read = read_mask if field == "mask" else read_picture
    session.names[name] = read(content, file)
    return name


def _load(session: Session, name: str, file: str, content: bytes) -> None:
    known = endings("latents")
    ending = next((one for one in known if file.lower().endswith(one)), "")
    named = file.isprintable() and file and "." not in file  # such as InvokeAI's, which have no ending
    with tempfile.TemporaryDirectory(prefix="jupyter-latents-") as folder:
        path = Path(folder) / f"{name}{ending}"
        path.write_bytes(content)
        if not (ending or named) or not holds_latents(path):
            raise LatentsFileError(f"{shown(file)} is no latents file; those end in {', '.join(known)}.")
        session.load(name, str(path))
