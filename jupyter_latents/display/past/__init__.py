"""The gallery: this session's results with their small pictures, to be copied, bound or gone on from."""

from __future__ import annotations

from jupyter_latents.display.past.opening import gallery
from jupyter_latents.display.past.showing import Gallery

__all__ = ["Gallery", "gallery"]
