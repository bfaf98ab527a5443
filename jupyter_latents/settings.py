"""What a person may set for a kernel, in a notebook by ``%config JupyterLatents.output_size = 500_000``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

__all__ = ["EXECUTORS", "METADATA", "SETTINGS", "MetadataLevel", "Settings", "is_executor"]

MetadataLevel: TypeAlias = Literal["full", "parameters", "none"]
METADATA: tuple[str, ...] = get_args(MetadataLevel)
EXECUTORS = ("local", "ray")
_ADDRESS = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}")


def is_executor(text: str) -> bool:
    """Whether a text can say where stages run: ``local``, ``ray`` or the ``host:port`` of a cluster's head."""
    return text in EXECUTORS or bool(_ADDRESS.fullmatch(text))


@dataclass(slots=True, weakref_slot=True)
class Settings:
    """Sizes, budgets and defaults, read each time they matter, so that a change holds from then on.

    Attributes:
        output_size: Bytes that a run's saved output may take in the notebook.
        model_memory: Bytes of RAM that models may take; None for what is free.
        device_memory: Bytes that models may take on each accelerator; None for what is free.
        trajectory_memory: Bytes of latents, steps and histories that are kept of past runs.
        store_size: Bytes that a store of results on disk may take.
        metadata: What pictures say of how they were made: ``full`` is the cell that leads back to them and A1111's
            text, ``parameters`` that text alone.
        prompt_weighter: What reads weights in prompts where a script does not say; ``none`` for nothing.
        executor: Where stages run: ``local`` in this process, ``ray`` on workers of this machine, or the address of
            the head of a Ray cluster, ``host:port``.
        preview_vae: A tiny autoencoder that makes previews; ``auto`` for the published one of a latent space where it
            is on this machine, ``off`` for none.
        import_ahead: Whether a kernel imports what the first cell will need while that cell is typed.
    """

    output_size: int = 300_000
    model_memory: int | None = None
    device_memory: int | None = None
    trajectory_memory: int = 1 << 30
    store_size: int = 4 << 30
    metadata: MetadataLevel = "full"
    prompt_weighter: str = "none"
    executor: str = "local"
    preview_vae: str = "auto"
    import_ahead: bool = True


SETTINGS = Settings()
"""Those of this process, unless a `Session` is given its own."""
