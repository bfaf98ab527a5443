"""Where runs run: here, one after another, in a thread of their own."""

from __future__ import annotations

from jupyter_latents.executors.local import LocalExecutor, Run

__all__ = ["LocalExecutor", "Run"]
