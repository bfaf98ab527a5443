"""How many frames a stage makes: decided once, from latents, option and model."""

from __future__ import annotations

from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.latents.clip import check_fps, check_still
from jupyter_latents.stage import Stage
from jupyter_latents.wording import option

__all__ = ["frame_count", "frame_rate"]


def frame_count(stage: Stage, latents: Standing | None, facts: ModelFacts) -> int:
    """Frames of each clip that a stage makes; 1 for pictures.

    Args:
        stage: What is asked for.
        latents: The latents that enter its schedule, in the model's own space; None without.
        facts: Its model's.

    Raises:
        HandoffError: Another number than the latents have.
        ModelError: The model makes pictures, or clips of other numbers of frames alone.
    """
    space, asked = facts.space, stage.num_frames
    if not space.moves:
        _check_still(stage, facts)
        return 1
    if stage.fps is not None:
        check_fps(stage.fps)
    if latents is not None:
        found = space.frames_of(latents.shape)
        if asked not in (None, found):
            raise HandoffError(
                f"{option('num_frames')} {asked} does not fit latents of shape {latents.shape}, which are {found} "
                "frames. Leave it out.",
                option="num_frames",
            )
        return found
    if facts.config(facts.denoiser).get("patch_size_t") is not None and facts.family.layout == "frames first":
        raise ModelError(
            f"{stage.model.name} is a CogVideoX 1.5, whose pipeline fills its frames up; that does not run here yet. "
            "Use CogVideoX 2b or 5b."
        )
    wanted = facts.family.frames if asked is None else asked
    over = (wanted - 1) % space.frame_factor
    if over:
        below, above = wanted - over, wanted - over + space.frame_factor
        raise ModelError(
            f"{option('num_frames')} is {wanted}, and {stage.model.name} makes {space.frame_factor} frames at a time "
            f"after the first: {below} or {above} are nearest.",
            option="num_frames",
        )
    return wanted


def frame_rate(stage: Stage, latents: Standing | None, facts: ModelFacts) -> float:
    """Frames a second of the clips that a stage makes: as asked for, as the latents say, or as the model was trained.

    Args:
        stage: What is asked for.
        latents: The latents that enter its schedule; None without.
        facts: Its model's.
    """
    own = latents.provenance.number("fps", 0.01, 120.0) if latents is not None else None
    return stage.fps or own or float(facts.family.fps)


def _check_still(stage: Stage, facts: ModelFacts) -> None:
    """Raises where a model of pictures is asked for a clip."""
    check_still(stage.output.format, stage.model.name)
    for name in ("num_frames", "fps"):
        if getattr(stage, name) is not None:
            raise ModelError(
                f"{option(name)} is for models that make clips, and {stage.model.name} ({facts.family.name}) makes "
                "pictures. Leave it out.",
                option=name,
            )
