"""Scripts on the command line: ``python -m jupyter_latents FILE`` and ``jupyter latents FILE``."""

from __future__ import annotations

from jupyter_latents.cli.command import main

__all__ = ["main"]
