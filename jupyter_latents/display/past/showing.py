"""A gallery of a session: what it shows, and where."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.choice import shows_pictures
from jupyter_latents.display.past.page import gallery_bundle, gallery_text
from jupyter_latents.display.pictures.images import frame
from jupyter_latents.display.publishing import front_end, publish
from jupyter_latents.display.screens import shell
from jupyter_latents.errors import JupyterLatentsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_latents.session import Session
    from jupyter_latents.session.results import PastResult

__all__ = ["Gallery"]

_SIDE = 192


class Gallery:
    """This session's results; a cell that ends with it shows them, live while there is a kernel.

    Args:
        session: The session.
        search: Words that each result must hold.
        size: Bytes that its lasting output may have.
    """

    def __init__(self, session: Session, search: str, size: int) -> None:
        self.session = session
        self.search = search
        self.size = size

    def results(self) -> list[PastResult]:
        """What it shows, the newest first; those that had no picture yet have a preview made, where one is cheap."""
        words = self.search.lower().split()
        found = [one for one in self.session.results.newest() if all(word in _said(one) for word in words)]
        if shows_pictures():
            for one in self._unpictured(found):
                self._preview(one)
        return found

    def _unpictured(self, found: list[PastResult]) -> Iterator[PastResult]:
        return (one for one in found if not self.session.results.picture(one))

    def _preview(self, one: PastResult) -> None:
        """Has the small picture of noisy latents made; where there is none, its place stays empty."""
        if one.latents is None:
            return
        try:
            pictures = self.session.preview(one.latents)
        except JupyterLatentsError:
            return  # of no family that can be previewed, which its run has told
        if pictures:
            self.session.results.keep_picture(one, _still(frame(pictures, _SIDE)))

    def bundle(self) -> dict[str, Any]:
        """Its lasting output."""
        return gallery_bundle(self.session, self.results(), self.size)

    def __repr__(self) -> str:
        return gallery_text(self.results())

    def _ipython_display_(self) -> None:
        running = shell()
        if running is None or not shows_pictures():
            print(repr(self))  # noqa: T201 - what a terminal shows of it
        elif hasattr(running, "kernel") and front_end(running.kernel) == "notebook":
            from jupyter_latents.display.past.live import GalleryScreen

            GalleryScreen(self).show()
        else:
            import uuid

            publish(self.bundle(), uuid.uuid4().hex)


def _said(one: PastResult) -> str:
    """All words of a result, for the search."""
    return f"{one.name} {one.prompt} {one.model} {one.seed} {one.noise}".lower()


def _still(content: bytes) -> bytes:
    """The first moment of an encoded picture as JPEG."""
    if content[:2] == b"\xff\xd8":
        return content
    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").save(out, "JPEG", quality=85)
    return out.getvalue()
