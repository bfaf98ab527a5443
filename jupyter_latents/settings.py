"""What a person may set for a kernel, in a notebook by ``%config JupyterLatents.output_size = 500_000``."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SETTINGS", "Settings"]


@dataclass(slots=True, weakref_slot=True)
class Settings:
    """Sizes, budgets and defaults, read each time they matter, so that a change holds from then on.

    Attributes:
        output_size: Bytes that a run's saved output may take in the notebook.
        model_memory: Bytes of RAM that models may take; None for what is free.
        device_memory: Bytes that models may take on each accelerator; None for what is free.
        trajectory_memory: Bytes of latents, steps and histories that are kept of past runs.
        store_size: Bytes that a store of results on disk may take.
        prompt_weighter: What reads weights in prompts where a script does not say; ``none`` for nothing.
    """

    output_size: int = 300_000
    model_memory: int | None = None
    device_memory: int | None = None
    trajectory_memory: int = 1 << 30
    store_size: int = 4 << 30
    prompt_weighter: str = "none"


SETTINGS = Settings()
"""Those of this process, unless a `Session` is given its own."""
