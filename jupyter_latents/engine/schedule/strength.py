"""What a pipeline's own rule makes of a strength: of a picture, of a clip, or of latents that are clean."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from jupyter_latents.engine.libraries.signatures import parameters_of

if TYPE_CHECKING:
    from jupyter_latents.engine.given.outline import Standing
    from jupyter_latents.stage import Stage

__all__ = ["cut_by_strength", "noised_again", "renoises"]


def renoises(stage: Stage, latents: Standing | None, *, pictures: bool) -> bool:
    """Whether a stage noises clean latents to its strength, as an image-to-image pipeline does that is given latents.

    Args:
        stage: What is asked for.
        latents: What enters its schedule; None without.
        pictures: Whether pictures go in, too.
    """
    clean = latents is not None and latents.is_clean and not pictures
    return clean and stage.strength is not None and stage.window.start is None


def noised_again(clean: torch.Tensor, scheduler: Any, index: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Clean latents at the level of a timestep, noised by the scheduler's own rule with the first draw of a seed.

    Args:
        clean: Shape (batch, channels, height/factor, width/factor), or that of clips.
        scheduler: A scheduler with the whole schedule set, not stepped yet.
        index: Timestep index.
        seed: The stage's.

    Returns:
        The latents, and the state of the random generator after it.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(clean.shape, generator=generator, dtype=clean.dtype)
    timestep = scheduler.timesteps[index : index + 1].repeat(len(clean))
    if hasattr(scheduler, "scale_noise"):
        return scheduler.scale_noise(clean, timestep, noise), generator.get_state()
    return scheduler.add_noise(clean, noise, timestep), generator.get_state()


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
    asked = parameters_of(get_timesteps)
    kept, left = get_timesteps(**{name: value for name, value in known.items() if name in asked})[-2:]
    return kept, left
