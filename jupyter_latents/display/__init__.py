"""What a person sees of runs and latents: the live view, the static output, the text of a terminal.

Importing this room loads neither torch nor widgets: they are imported when something is shown.
"""

from __future__ import annotations

from jupyter_latents.display.latents import latents_bundle
from jupyter_latents.display.view import RunView, view_of

__all__ = ["RunView", "latents_bundle", "view_of"]
