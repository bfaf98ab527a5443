"""``--latents-processors``: what is done to incoming latents before a stage uses them.

| processor | what it does |
|---|---|
| ``scale;factor=1.1`` | multiplies the tensor, then normalizes and clamps it where asked, as dgenerate does |
| ``upscale;factor=2`` | enlarges them: the clean estimate is interpolated, the noise drawn anew to the same sigma |
| ``upscaler;model=NAME`` | the same by the latent upscaler of LTX-Video or Stable Diffusion; see `upscalers` |
| ``noise;sigma=0.5;seed=1`` | adds noise of that standard deviation (in variance-exploding terms) |
| ``noise;timestep=600`` | brings the latents up to the level of the receiving model's timestep |
| ``interposer;source=v1;target=xl`` | a network converts the clean estimate to another space; see `interposers` |
| ``composite;with=NAME;at=64x0;feather=16`` | pastes others into them, at the noise level of these |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.errors import HandoffError, LatentsError
from jupyter_latents.latents.operations import add_noise, paste, resize
from jupyter_latents.latents.spaces import for_shape
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import LatentsProcessor, Reference
from jupyter_latents.wording import option

if TYPE_CHECKING:
    import torch

__all__ = ["NETWORKS", "Bench", "Chain", "process"]

NETWORKS = frozenset({"upscaler", "interposer"})
"""The processors that are networks of their own."""

Chain: TypeAlias = tuple[LatentsProcessor, ...]


@dataclass(frozen=True, slots=True)
class Bench:
    """What processors work with.

    Attributes:
        scheduler: The receiving model's, for levels given by timestep.
        network: What a network makes of latents, or would make.
        pasted: The latents that links take besides, by their names.
    """

    scheduler: Any
    network: Callable[[Latents, LatentsProcessor], Latents]
    pasted: Mapping[Reference, Latents] = field(default_factory=lambda: MappingProxyType({}))


def process(latents: Latents, chain: Chain, bench: Bench) -> Latents:
    """Latents after a chain of processors, in order; history and position are dropped, since they no longer hold.

    Args:
        latents: Latents.
        chain: The processors.
        bench: What they work with.

    Raises:
        HandoffError: Noise is to be added to latents whose own noise level is not known, or is above the one asked for;
            others do not go with them; or a processor makes NaN or infinite values.
    """
    for link in chain:
        try:
            if link.name in NETWORKS:
                made = bench.network(latents, link)
                latents = _result(latents, made, link.name, link.arguments, made.denoised)
            else:
                latents = _PROCESSORS[link.name](latents, link, bench)
        except LatentsError as error:
            raise HandoffError(
                f"the {link.name} processor spoils latents of {str(latents.tensor.dtype).removeprefix('torch.')}: "
                f"{error.template.partition(';')[0]}. Use smaller numbers, or make the latents with {option('dtype')} "
                "float32.",
                option="latents_processors",
            ) from error
    return latents


def _scale(latents: Latents, link: LatentsProcessor, _bench: Bench) -> Latents:
    """Multiplied, brought to a standard deviation of 1, and clamped, in this order, each where it is asked."""
    arguments = link.arguments
    tensor = latents.tensor * float(arguments.get("factor", 1.0))
    if arguments.get("normalize") == "true" and float(tensor.std()) > _FLAT:
        tensor = tensor / tensor.std()
    if {"clamp-min", "clamp-max"} & arguments.keys():
        low, high = (float(arguments[key]) if key in arguments else None for key in ("clamp-min", "clamp-max"))
        tensor = tensor.clamp(low, high)
    return _result(latents, latents.replace(tensor=tensor), "scale", arguments)


def _noise(latents: Latents, link: LatentsProcessor, bench: Bench) -> Latents:
    arguments, scheduler = link.arguments, bench.scheduler
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


def _upscale(latents: Latents, link: LatentsProcessor, _bench: Bench) -> Latents:
    """The clean estimate interpolated, and noised again to the same sigma."""
    arguments = link.arguments
    factor, space = float(arguments["factor"]), for_shape(latents.space, latents.shape)
    cells = [max(1, round(side * factor / space.factor)) for side in space.size_of(latents.shape)]
    made = resize(latents, [count * space.factor for count in cells])
    return _result(latents, made, "upscale", arguments, made.denoised)


def _composite(latents: Latents, link: LatentsProcessor, bench: Bench) -> Latents:
    """Others pasted into them; clean ones are noised to the level of these first."""
    other = bench.pasted[link.other] if link.other is not None else latents
    noise, seed = latents.noise, latents.provenance.seed
    if noise is not None and not noise.is_clean and other.is_clean:
        other = add_noise(other, noise.sigma, seed=seed)
    at = [int(side) for side in link.arguments.get("at", "0x0").lower().split("x")]
    made = paste(latents, other, at, feather=float(link.arguments.get("feather", 0)), seed=seed)
    return made.replace(position=None, resume=None, trajectory=())


_FLAT = 1e-8  # a standard deviation that is none
_PROCESSORS: Mapping[str, Callable[[Latents, LatentsProcessor, Bench], Latents]] = MappingProxyType(
    {"scale": _scale, "noise": _noise, "upscale": _upscale, "composite": _composite}
)


def _result(
    parent: Latents, result: Latents, name: str, arguments: Mapping[str, str], denoised: torch.Tensor | None = None
) -> Latents:
    options = MappingProxyType({**parent.provenance.options, **arguments})
    provenance = replace(parent.provenance, operation=name, options=options, parents=(parent.digest,), cell="")
    estimate = parent.denoised if denoised is None else denoised
    return result.replace(provenance=provenance, position=None, resume=None, trajectory=(), denoised=estimate)
