"""What a stage is asked for that does nothing, or perhaps not what was meant: told, not refused."""

from __future__ import annotations

from jupyter_latents.engine.given.inputs import Call
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.stage import Stage

__all__ = ["remarks"]


def remarks(call: Call, facts: ModelFacts, *, noised: bool) -> tuple[str, ...]:
    """What is to be told of a stage beside how latents enter it.

    Args:
        call: What its pipeline's call is made for.
        facts: Its model's.
        noised: Whether a picture is noised to the stage's strength.
    """
    return tuple(filter(None, (_guidance(call.stage, facts), _strength(call) if noised else "")))


def _guidance(stage: Stage, facts: ModelFacts) -> str:
    """That guidance asked for plays no part, in models that were distilled without any."""
    asked = stage.guidance_scale not in (Stage(model=stage.model).guidance_scale, 0.0, 1.0)
    if not asked or not facts.ignores_guidance:
        return ""
    name, scale = stage.model.name, stage.guidance_scale
    return f"{name} was distilled without guidance: a guidance scale of {scale:g} changes nothing"


def _strength(call: Call) -> str:
    """That nothing of a picture is left where all of it is noise."""
    if call.mode != "img2img" or call.strength < 1.0:
        return ""
    return (
        f"strength {call.strength:g} begins with noise alone, so hardly anything of the picture is kept; 0.8 keeps its "
        "composition"
    )
