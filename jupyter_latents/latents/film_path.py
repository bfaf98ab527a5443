"""The path of a film that was written, which shows the film."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.formats import format_of

__all__ = ["FilmPath"]

_LARGEST = 8_000_000  # bytes that a notebook takes in; larger films are looked at from their folder

_Plain: Any = Path if TYPE_CHECKING else type(Path())  # Path itself has no subclasses before Python 3.12


class FilmPath(_Plain):  # type: ignore[misc]
    """A path like any other; a cell that ends with it shows the film, as long as that is not too large."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The path, and the film where there is one."""
        size = self.stat().st_size if self.is_file() else 0
        if not size:
            return {"text/plain": repr(self)}
        if size > _LARGEST:
            return {
                "text/plain": f"{self!r}: {size / 1e6:.0f} MB, too large to be shown here; open it from its folder."
            }
        content = base64.b64encode(self.read_bytes()).decode()
        ending = self.suffix.lower().removeprefix(".")
        row = format_of(ending)
        if row is not None and row.writer == "GIF":
            return {"text/plain": repr(self), f"image/{ending}": content}
        if row is not None and not row.codec:
            return {"text/plain": repr(self), "text/html": f'<img src="data:image/{ending};base64,{content}">'}
        film = f'<video controls autoplay loop muted src="data:video/{ending};base64,{content}"></video>'
        return {"text/plain": repr(self), "text/html": film}
