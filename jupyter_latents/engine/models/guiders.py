"""Models whose guidance is a part of its own, a guider of diffusers: which of them a window can run, and its scale."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.libraries.quiet import silenced
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.family import Family
from jupyter_latents.errors import ModelError

__all__ = ["check_guider", "guided"]

_CLASS, _PART = "ClassifierFreeGuidance", "guider"
_WHOLE: Mapping[str, Any] = MappingProxyType({"start": 0.0, "stop": 1.0, "enabled": True})


def check_guider(facts: ModelFacts) -> None:
    """Sees that a model's guider does the same at every step: it counts the steps of a window, not of the schedule.

    Args:
        facts: The model.

    Raises:
        ModelError: It is of another class, or on for a part of the steps.
    """
    part = facts.own.get(_PART)
    if part is None:
        return
    other = {name: part.config[name] for name, usual in _WHOLE.items() if part.config.get(name, usual) != usual}
    if part.class_name != _CLASS or other:
        says = ", ".join(f"{name} {value}" for name, value in other.items()) or part.class_name
        raise ModelError(
            f"the guider of {facts.name} says {says}; it would do otherwise at other steps, and not know a window's. "
            f"What runs here is {_CLASS} of all steps: write that into its guider_config.json."
        )


def guided(components: dict[str, Any], family: Family, scale: Any) -> dict[str, Any]:
    """A pipeline's components, with a guider of its own that has the scale of a stage.

    Args:
        components: Those of the model.
        family: Its family.
        scale: The guidance scale.
    """
    if family.guidance != _PART or components.get(_PART) is None:
        return components
    with silenced():  # that guiders are new is no news to who runs a stage
        return {**components, _PART: components[_PART].new(guidance_scale=scale)}
