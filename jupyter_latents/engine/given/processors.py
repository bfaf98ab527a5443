"""``--latents-processors``: what is done to incoming latents before a stage uses them.

| processor | what it does |
|---|---|
| ``scale;factor=1.1`` | multiplies the tensor, as dgenerate does |
| ``upscale;factor=2`` | enlarges them: the clean estimate is interpolated, the noise drawn anew to the same sigma |
| ``upscaler;model=NAME`` | the same by the latent upscaler of LTX-Video or Stable Diffusion; see `upscalers` |
| ``noise;sigma=0.5;seed=1`` | adds noise of that standard deviation (in variance-exploding terms) |
| ``noise;timestep=600`` | brings the latents up to the level of the receiving model's timestep |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.errors import HandoffError, LatentsError
from jupyter_latents.latents.operations import add_noise, resize
from jupyter_latents.latents.spaces import for_shape
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import LatentsProcessor
from jupyter_latents.wording import option

if TYPE_CHECKING:
    import torch

__all__ = ["NETWORK", "process"]

NETWORK = "upscaler"
"""The processor that is a network of its own."""


def process(
    latents: Latents,
    chain: tuple[LatentsProcessor, ...],
    scheduler: Any,
    upscaled: Callable[[Latents, LatentsProcessor], Latents],
) -> Latents:
    """Latents after a chain of processors, in order; history and position are dropped, since they no longer hold.

    Args:
        latents: Incoming latents.
        chain: The processors.
        scheduler: The receiving model's scheduler, for levels given by timestep.
        upscaled: What an upscaler's network makes of latents, or would make.

    Raises:
        HandoffError: Noise is to be added to latents whose own noise level is not known, or is above the one asked for;
            or a processor makes NaN or infinite values.
    """
    for link in chain:
        try:
            if link.name == NETWORK:
                made = upscaled(latents, link)
                latents = _result(latents, made, link.name, link.arguments, made.denoised)
                continue
            latents = _PROCESSORS[link.name](latents, link.arguments, scheduler)
        except LatentsError as error:
            raise HandoffError(
                f"the {link.name} processor spoils latents of {str(latents.tensor.dtype).removeprefix('torch.')}: "
                f"{error.template.partition(';')[0]}. Use smaller numbers, or make the latents with {option('dtype')} "
                "float32.",
                option="latents_processors",
            ) from error
    return latents


def _scale(latents: Latents, arguments: Mapping[str, str], _scheduler: Any) -> Latents:
    return _result(latents, latents.replace(tensor=latents.tensor * float(arguments["factor"])), "scale", arguments)


def _noise(latents: Latents, arguments: Mapping[str, str], scheduler: Any) -> Latents:
    if latents.noise is None:
        raise HandoffError(
            "the noise processor needs to know how noisy the latents are, and these come from a file without facts. "
            "Load them with Latents.load(path, sigma=...), 0 for clean ones."
        )
    own = latents.noise.sigma
    if "timestep" in arguments:
        to = schedulers.sigma_of_timestep(scheduler, float(arguments["timestep"]))
        if to < own:
            raise HandoffError(
                f"timestep {arguments['timestep']} has sigma {to:.3g}, below the latents' own {own:.3g}; choose a "
                f"higher one."
            )
    else:
        to = math.hypot(own, float(arguments["sigma"]))
    seed = int(arguments["seed"]) if "seed" in arguments else latents.provenance.seed
    return _result(latents, add_noise(latents, to, seed=seed), "noise", arguments)


def _upscale(latents: Latents, arguments: Mapping[str, str], _scheduler: Any) -> Latents:
    """The clean estimate interpolated, and noised again to the same sigma."""
    factor, space = float(arguments["factor"]), for_shape(latents.space, latents.shape)
    cells = [max(1, round(side * factor / space.factor)) for side in space.size_of(latents.shape)]
    made = resize(latents, [count * space.factor for count in cells])
    return _result(latents, made, "upscale", arguments, made.denoised)


_PROCESSORS: Mapping[str, Callable[[Latents, Mapping[str, str], Any], Latents]] = MappingProxyType(
    {"scale": _scale, "noise": _noise, "upscale": _upscale}
)


def _result(
    parent: Latents, result: Latents, name: str, arguments: Mapping[str, str], denoised: torch.Tensor | None = None
) -> Latents:
    options = MappingProxyType({**parent.provenance.options, **arguments})
    provenance = replace(parent.provenance, operation=name, options=options, parents=(parent.digest,), cell="")
    estimate = parent.denoised if denoised is None else denoised
    return result.replace(provenance=provenance, position=None, resume=None, trajectory=(), denoised=estimate)
