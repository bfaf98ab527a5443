"""Whether a stage may share a batch with the same stage of other seeds, and what keeps it from that."""

from __future__ import annotations

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.models.family import Family
from jupyter_latents.stage import Stage

__all__ = ["shares", "sharing_note"]

_ALONE = ("DPMSolverSDEScheduler",)  # its noise comes from one seed of the scheduler's own, not from generators


def shares(stage: Stage, given: Given, windows: int, family: Family) -> bool:
    """Whether a stage asks to share a batch, and may: one picture from noise, steered alike at all steps.

    Args:
        stage: What is asked for.
        given: What goes into it.
        windows: How many windows of one steering each its steps are.
        family: Its model's.
    """
    return stage.batch_seeds and stage.seed is not None and not _hindrance(stage, given, windows, family)


def sharing_note(stage: Stage, given: Given, windows: int, family: Family) -> str:
    """That the seeds run one after another though a batch was asked for, and why; empty else.

    Args:
        stage: See `shares`.
        given: See `shares`.
        windows: See `shares`.
        family: See `shares`.
    """
    why = _hindrance(stage, given, windows, family) if stage.batch_seeds and stage.seed is not None else ""
    return f"seeds run one after another, not as one batch: {why}" if why else ""


def _hindrance(stage: Stage, given: Given, windows: int, family: Family) -> str:
    if family.alone:
        return f"{family.name} makes one clip at a time"
    if windows > 1:
        return "what steers the stage changes during the run"
    if given != Given():
        return _of_inputs(stage, given)
    if stage.batch_size > 1:
        return f"each seed is a batch of {stage.batch_size} already"
    if stage.scheduler is not None and stage.scheduler.name in _ALONE:
        return f"{stage.scheduler.name} draws its noise from one seed"
    return ""


def _of_inputs(stage: Stage, given: Given) -> str:
    if given.latents and stage.image_seed is None:
        return "its first steps are kept from before"
    if given.latents or given.images:
        return "the stage begins with a picture or latents"
    if given.controls:
        return "the stage has a control image"
    return "the stage has images of an IP-Adapter" if given.adapters else "the stage begins with a picture or latents"
