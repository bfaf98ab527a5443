"""What the panel has in the page: a script and a style sheet, and the widgets that speak with them."""

from __future__ import annotations

from .files import front_script, panel_style

__all__ = ["front_script", "panel_style"]
