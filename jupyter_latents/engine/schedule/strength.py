"""What a pipeline's own rule makes of the strength of a picture or a clip."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["cut_by_strength"]


def cut_by_strength(get_timesteps: Callable[..., Any], scheduler: Any, steps: int, strength: float) -> tuple[Any, int]:
    """The timesteps that a strength leaves, and how many steps they are.

    Args:
        get_timesteps: A pipeline's own, or its class's with the object to call it on; it asks for its scheduler alone.
        scheduler: A scheduler with the whole schedule set.
        steps: Whole steps asked for.
        strength: 0 to 1.
    """
    timesteps = scheduler.timesteps
    known = {
        "num_inference_steps": steps,
        "timesteps": timesteps,
        "sigmas": getattr(scheduler, "sigmas", None),
        "strength": strength,
        "device": timesteps.device,
    }
    asked = inspect.signature(get_timesteps).parameters
    kept, left = get_timesteps(**{name: value for name, value in known.items() if name in asked})[-2:]
    return kept, left
