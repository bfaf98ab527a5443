"""Numbers that were asked for and lie so far out that NaN or infinity comes of them: they are to blame, no part is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from jupyter_latents.errors import HandoffError
from jupyter_latents.latents.tensors import dtype_name
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import Address, Scales, Stage
from jupyter_latents.wording import option

__all__ = ["Extreme", "check_range", "extreme_latents", "extreme_of"]

_LATENTS = 1e4
"""Latents of ten thousand times their usual size; those of the noisiest schedules stay below."""
_SCALE = 1e3
"""Guidance and the scales of addons are of the order of 1 to 20."""


@dataclass(frozen=True, slots=True)
class Extreme:
    """A number that was asked for, far outside of what is usual.

    Attributes:
        text: What it is and what is usual, as a clause.
        option: The option that it came by.
    """

    text: str
    option: str


def extreme_of(stage: Stage, latents: Latents | None) -> Extreme | None:
    """The first such number of a stage; None where all are usual.

    Args:
        stage: What was asked for.
        latents: What it goes on from.
    """
    given = None if latents is None else extreme_latents(latents.tensor)
    return given or next(_scales(stage), None)


def extreme_latents(tensor: torch.Tensor) -> Extreme | None:
    """The largest value of latents, where it is such a number."""
    largest = _largest(tensor)
    if largest <= _LATENTS:
        return None
    text = f"the latents that came in reach {largest:.3g}, and clean ones have about 1; see where they come from"
    return Extreme(text, "image_seeds")


def _largest(tensor: torch.Tensor) -> float:
    return float(tensor.abs().max()) if tensor.numel() else 0.0


def _scales(stage: Stage) -> Iterator[Extreme]:
    guidance = stage.guidance_scale
    for scale in (one for one, _ in guidance.parts) if isinstance(guidance, Scales) else (guidance,):
        if abs(scale) > _SCALE:
            text = f"the {option('guidance_scales')} of {scale:.3g} did it: 1 to 20 are usual"
            yield Extreme(text, "guidance_scales")
    for address in stage.model.control_nets:
        scale = _scale_of(address)
        if abs(scale) > _SCALE:
            yield Extreme(f"the scale {scale:.3g} of {address.name} did it: about 1 is usual", "control_nets")


def _scale_of(address: Address) -> float:
    try:
        return float(address.settings.get("scale", 1.0))
    except ValueError:
        return 1.0


def check_range(latents: object, dtype: torch.dtype) -> None:
    """Refuses latents with values that a run's dtype does not hold.

    Args:
        latents: What a stage goes on from; outlines are let through.
        dtype: That of the run.

    Raises:
        HandoffError: One is too large.
    """
    if not isinstance(latents, Latents):
        return
    largest, most = _largest(latents.tensor), torch.finfo(dtype).max
    if largest > most:
        raise HandoffError(
            f"these latents reach {largest:.3g}, and {dtype_name(dtype)} holds {most:.3g} at most; clean latents have "
            "about 1. See where they come from, or make them smaller with scale().",
            option="image_seeds",
        )
