"""Models with two denoisers, one for the high noise levels and one for the low: which steps each of them runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.errors import ModelError
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from jupyter_latents.engine.models.facts import ModelFacts
    from jupyter_latents.engine.steering import StageWindow
    from jupyter_latents.stage import ModelSource, Stage

__all__ = [
    "EXPERTS",
    "LEVELS",
    "ExpertWindow",
    "check_experts",
    "expert_windows",
    "idle_loras",
    "pieces",
    "shared_note",
]

EXPERTS = ("transformer", "transformer_2")
"""Names of the denoisers in a pipeline, that for the high noise levels first."""
LEVELS = ("high", "low")
"""What addresses call them, in the same order."""


@dataclass(frozen=True, slots=True)
class ExpertWindow:
    """Steps that the same experts run.

    Attributes:
        start: First step, 0 for the whole schedule.
        end: Step after the last one.
        parts: Their names; both where one step of a solver of second order needs both.
    """

    start: int
    end: int
    parts: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' and '.join(self.parts)} from step {self.start} to {self.end}"


def check_experts(source: ModelSource, boundary: float | None) -> None:
    """Sees that nothing is put on a model with two experts that would change one of them alone.

    Args:
        source: What the stage names.
        boundary: Where its experts meet; None for one denoiser.

    Raises:
        ModelError: Something is.
    """
    for dest in ("optimize", "transformer"):
        if boundary is not None and getattr(source, dest):
            raise ModelError(
                f"{option(dest)} is not put on models with two experts yet, as {source.name} is: it would change one "
                "of them alone. Leave it out.",
                option=dest,
            )


def expert_windows(facts: ModelFacts, scheduler: Any, span: Span) -> tuple[ExpertWindow, ...]:
    """The windows of one expert each that tile the steps that a stage runs; none for models with one denoiser.

    Mirrors the loop of diffusers' ``WanPipeline``: a timestep at or above the boundary goes to the first expert.

    Args:
        facts: The model's.
        scheduler: A scheduler with the whole schedule set.
        span: The steps.

    Raises:
        ModelError: The model lacks the expert of a step.
    """
    boundary = facts.boundary
    if boundary is None:
        return ()
    edge = boundary * int(scheduler.config.get("num_train_timesteps", 1000))
    timesteps = [float(timestep) for timestep in scheduler.timesteps]

    def parts(step: int) -> tuple[str, ...]:
        own = timesteps[span.index(step) : span.index(step + 1)]
        return tuple(dict.fromkeys(EXPERTS[0] if timestep >= edge else EXPERTS[1] for timestep in own))

    found = []
    for names, steps in groupby(range(span.start, span.end), parts):
        own = list(steps)
        found.append(ExpertWindow(own[0], own[-1] + 1, names))
    for window in found:
        _check(facts, window, span)
    return tuple(found)


def shared_note(experts: Sequence[ExpertWindow], stage: Stage) -> str:
    """That one step needs both experts where guidance changes between them; empty where that is not so.

    Args:
        experts: The windows of the stage.
        stage: The stage.
    """
    both = [one for one in experts if len(one.parts) > 1 and not isinstance(stage.guidance_scale, (int, float))]
    if not both:
        return ""
    at = both[0].start
    return (
        f"step {at} needs both experts, as a solver of second order looks ahead; it has one guidance, that of its "
        "beginning, where diffusers gives each expert its own"
    )


def idle_loras(experts: Sequence[ExpertWindow], stage: Stage) -> Iterator[str]:
    """That a LoRA changes nothing, as its expert runs no step of the stage.

    Args:
        experts: The windows of the stage.
        stage: The stage.
    """
    run = {name for one in experts for name in one.parts}
    for entry in stage.model.loras if experts else ():
        level = entry.get("expert")
        if level in LEVELS and EXPERTS[LEVELS.index(level)] not in run:
            yield f"LoRA {entry.name} changes nothing: the expert for {level} noise levels runs no step here"


def _check(facts: ModelFacts, window: ExpertWindow, span: Span) -> None:
    lacking = [name for name in window.parts if name not in facts.sources]
    if not lacking:
        return
    rest = [one for one in EXPERTS if one in facts.sources]
    way = option("denoising_end") if window.start > span.start else option("denoising_start")
    raise ModelError(
        f"{facts.name} has no {' and no '.join(lacking)}, which steps {window.start} to {window.end} of {span.of} "
        f"need: it has {' and '.join(rest)} alone. Give {way} at the boundary of its experts.",
        option="denoising_end" if window.start > span.start else "denoising_start",
    )


def pieces(
    windows: Sequence[StageWindow], experts: Sequence[ExpertWindow]
) -> list[tuple[StageWindow, tuple[str, ...] | None]]:
    """Windows cut where the experts change, each with the names of its experts; None where there are none.

    Args:
        windows: Windows that tile the steps of a stage.
        experts: Those of its experts, or none.
    """
    if not experts:
        return [(window, None) for window in windows]
    found: list[tuple[StageWindow, tuple[str, ...] | None]] = []
    for window in windows:
        for expert in experts:
            start, end = max(window.start, expert.start), min(window.end, expert.end)
            if start < end:
                found.append((replace(window, start=start, end=end), expert.parts))
    return found
