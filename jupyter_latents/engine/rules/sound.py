"""Clips with sound: their latents go on with it, exactly, or not at all."""

from __future__ import annotations

from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.schedule.entering import Entering
from jupyter_latents.errors import HandoffError
from jupyter_latents.wording import option

__all__ = ["check_sound", "sound_note"]


def sound_note(facts: ModelFacts) -> str:
    """What becomes of the sound that a model makes; empty where it makes none.

    Args:
        facts: The model's.
    """
    said = "its sound is made, too, and travels with the latents (clip.sound); films have none"
    return said if facts.family.sound else ""


def check_sound(latents: Standing | None, facts: ModelFacts, entering: Entering) -> None:
    """Sees that no clip goes on without its sound, which would begin as noise beside a picture that is half done.

    Args:
        latents: The latents that enter; None without.
        facts: The receiving model's.
        entering: How they enter.

    Raises:
        HandoffError: They do not go on on their own schedule with their history, in which the sound travels.
    """
    if not facts.family.sound or latents is None or entering.exact:
        return
    why = entering.lost or "they enter another schedule than their own, or are noised again"
    raise HandoffError(
        f"{facts.name} makes sound with its clips, which goes on only where their latents go on exactly: {why}. "
        f"Give the scheduler, {option('inference_steps')} and model that made them, and latents that no operation "
        "changed.",
        option="image_seeds",
    )
