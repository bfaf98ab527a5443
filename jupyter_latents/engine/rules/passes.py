"""How often the denoiser is passed at a step: twice with guidance, once where a pipeline drops the second pass."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.engine.steering import StageWindow
from jupyter_latents.points import largest_scale
from jupyter_latents.stage import Stage

__all__ = ["passes_a_step", "passes_of", "passes_remark"]


def passes_a_step(stage: Stage, facts: ModelFacts) -> int:
    """Passes of the denoiser for one picture at one evaluation; the most of its scales.

    As the pipelines' ``do_classifier_free_guidance`` says: guidance above 1 (above 0 for Z-Image) takes a second pass,
    but for models that are given the scale as an input.

    Args:
        stage: What is asked for.
        facts: Its model's.
    """
    above = facts.family.guided_above
    given = facts.config(facts.denoiser).get("time_cond_proj_dim") is not None or facts.index.get("is_distilled")
    return 2 if above is not None and not given and largest_scale(stage.guidance_scale) > above else 1


def passes_of(windows: Sequence[StageWindow], span: Span, facts: ModelFacts) -> int:
    """Passes of the denoiser for one picture over all steps.

    Args:
        windows: The windows of a stage.
        span: The steps that it runs.
        facts: Its model's.
    """
    counts = (span.evaluations_to(one.end) - span.evaluations_to(one.start) for one in windows)
    return sum(count * passes_a_step(one.stage, facts) for count, one in zip(counts, windows, strict=True))


def passes_remark(windows: Sequence[StageWindow], span: Span, facts: ModelFacts) -> str:
    """That the second pass is dropped on the way; empty where it is not.

    Args:
        windows: The windows of a stage.
        span: The steps that it runs.
        facts: Its model's.
    """
    single = [one for one in windows if passes_a_step(one.stage, facts) == 1]
    if len(single) in (0, len(windows)):
        return ""
    steps = ", ".join(f"{one.start}–{one.end}" for one in single)
    return f"{passes_of(windows, span, facts)} passes of the {facts.denoiser}: one a step, not two, in steps {steps}"
