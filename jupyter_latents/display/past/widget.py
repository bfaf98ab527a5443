"""The gallery's widget; imported when one is shown, for it brings ipywidgets."""

from __future__ import annotations

from typing import Any

from jupyter_latents.display.scripts import gallery_style, live_gallery_script
from jupyter_latents.display.widget import ToldWidget

__all__ = ["GalleryWidget"]


class GalleryWidget(ToldWidget):
    """The gallery.

    Attributes:
        keeper: What answers its messages.
    """

    _esm = live_gallery_script()
    _css = gallery_style()
    keeper: Any = None
