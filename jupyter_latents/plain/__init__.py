"""Stages in plain Python: run scripts and stages without a cell."""

from __future__ import annotations

from jupyter_latents.plain.calls import run, start

__all__ = ["run", "start"]
