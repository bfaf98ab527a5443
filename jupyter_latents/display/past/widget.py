"""The gallery's widget; imported when one is shown, for it brings ipywidgets."""

from __future__ import annotations

from typing import Any

from anywidget import AnyWidget

from jupyter_latents.display.scripts import gallery_style, live_gallery_script

__all__ = ["GalleryWidget"]


class GalleryWidget(AnyWidget):
    """Holds no state of its own: everything goes by custom messages.

    Attributes:
        keeper: What answers its messages.
    """

    _esm = live_gallery_script()
    _css = gallery_style()
    keeper: Any = None
