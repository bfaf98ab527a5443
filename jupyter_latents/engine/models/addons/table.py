"""One table: a row for each field of `ModelSource` that puts something on a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from jupyter_latents.engine.models.addons import controlnets, loras, optimizations, quantizer, vae
from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.stage import ModelSource

__all__ = ["ADDONS", "with_addons"]

ADDONS: Mapping[str, Callable[[ModelSource, ModelFacts], Addon]] = MappingProxyType(
    {
        "vae": vae.find_vae,
        "control_nets": controlnets.find_controls,
        "quantizer": quantizer.find_quantizer,
        "loras": loras.find_loras,
        "optimize": optimizations.find_optimizations,
    }
)
"""Field of `ModelSource` to what finds and checks its addon, in the order in which addons are put on a model."""


def with_addons(source: ModelSource, facts: ModelFacts) -> ModelFacts:
    """A model with what a stage puts on it; no weights are read.

    Raises:
        ModelError: An addon cannot be found or does not fit.
    """
    for field, find in ADDONS.items():
        if getattr(source, field):
            facts = replace(facts, addons=(*facts.addons, find(source, facts)))
    return facts
