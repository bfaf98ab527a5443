"""The addons of a model: each field of `ModelSource` that puts something on it names the module that finds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from importlib import import_module
from types import MappingProxyType
from typing import TypeAlias

from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.addons.address import fault
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.stage import ModelSource

__all__ = ["ADDONS", "with_addons"]

_Find: TypeAlias = Callable[[ModelSource, ModelFacts], Addon]


def _finder(module: str) -> _Find:
    found: _Find = import_module(f"jupyter_latents.engine.models.addons.{module}").find_addon
    return found


ADDONS: Mapping[str, _Find] = MappingProxyType(
    {row.name: _finder(row.metadata["addon"]) for row in fields(ModelSource) if "addon" in row.metadata}
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
    for addon in facts.addons:
        if reason := addon.misfit(facts):
            raise fault(addon.dest, reason)
    return facts
