"""Buttons after a run that failed or was stopped: the same again, or the rest of its last stage."""

from __future__ import annotations

from jupyter_latents.display.restart.again import Restart

__all__ = ["Restart"]
