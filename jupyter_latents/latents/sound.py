"""The sound that belongs to a clip's latents: latents of its own, which travel with the scheduler's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jupyter_latents.latents.facts import Resume

__all__ = ["KEY", "LATENTS", "sound_of"]

KEY, LATENTS = "sound", "latents"
"""Its place in a `Resume`'s scheduler, and that of its latents there."""


def sound_of(resume: Resume | None) -> torch.Tensor | None:
    """The latents of the sound.

    Args:
        resume: What a clip's latents go on from.

    Returns:
        (batch, tokens, channels), at the noise level of the clip's, as the pipeline's loop holds them; None without.
    """
    found = resume.scheduler.get(KEY) if resume is not None else None
    sound = found.get(LATENTS) if isinstance(found, Mapping) else None
    return sound if isinstance(sound, torch.Tensor) else None
