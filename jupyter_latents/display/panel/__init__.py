"""The control panel: forms, their text, and the widgets around them.

Importing this loads no widgets; `panel` does.
"""

from __future__ import annotations

from jupyter_latents.display.panel.opening import OpenPanel, panel

__all__ = ["OpenPanel", "panel"]
