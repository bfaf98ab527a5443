"""A contact sheet: the pictures of a sweep on one, with its axes, and what says how they were made."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import LatentsFileError
from jupyter_latents.formats import format_of, listed
from jupyter_latents.latents.arguments import file_path
from jupyter_latents.pictures.metadata.texts import no_room, write_picture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

__all__ = ["Sheet"]


@dataclass(frozen=True, eq=False)
class Sheet:
    """A contact sheet; a cell that ends with it shows it.

    Attributes:
        picture: The sheet as a Pillow picture.
        texts: What its file says of how the pictures were made, by key.
    """

    picture: Image
    texts: Mapping[str, str]

    def save(self, path: str | Path) -> Path:
        """Writes the sheet, whole or not at all, with the cell that makes its pictures.

        Args:
            path: ``.png``, ``.jpg`` or ``.webp``; missing folders are made, a file of that name is replaced.

        Returns:
            The path written.

        Raises:
            LatentsFileError: Another ending, or the file cannot be written.

        Warns:
            LatentsWarning: The format has no room for one of the texts.
        """
        from jupyter_latents.latents.files.atomic import write_whole
        from jupyter_latents.latents.files.content import warn

        target = file_path(path)
        kind = format_of(target.suffix)
        if kind is None or kind.holds != "picture":
            raise LatentsFileError(
                f"{target} is no picture, and a sheet is one; give it the ending {listed('picture', 'or', dot='.')}. "
                "Latents are saved one by one: xy[0].save(...)."
            )
        content = BytesIO()
        left_out = write_picture(self.picture, content, kind.writer, self.texts)
        write_whole(target, content.getvalue())
        if left_out:
            warn(no_room(kind.writer, left_out))
        return target

    def __repr__(self) -> str:
        return f"Sheet({self.picture.width} x {self.picture.height} pixels)"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        content = BytesIO()
        self.picture.save(content, "PNG")
        return {"text/plain": repr(self), "image/png": base64.b64encode(content.getvalue()).decode()}
