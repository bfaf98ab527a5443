"""Files dropped into the panel become kernel variables."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_latents.errors import LatentsFileError

from .variables import free_name

if TYPE_CHECKING:
    from jupyter_latents.session import Session

__all__ = ["take_file"]


def take_file(session: Session, file: str, content: bytes, *, latents: bool) -> str:
    """Binds a file's picture or latents to a variable named after the file.

    Args:
        session: Where it is bound.
        file: The file's name.
        content: Its bytes.
        latents: Whether it must hold latents; otherwise a picture.

    Returns:
        The variable's name.

    Raises:
        LatentsFileError: It holds no picture, or no latents.
    """
    name = free_name(file, session.names)
    if latents:
        with tempfile.TemporaryDirectory(prefix="jupyter-latents-") as folder:
            path = Path(folder) / f"{name}{Path(file).suffix}"
            path.write_bytes(content)
            session.load(name, str(path))
        return name
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            session.names[name] = image.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise LatentsFileError(f"{file} cannot be read as a picture: {error}.") from error
    return name
