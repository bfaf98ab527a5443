"""How often the denoiser is passed at a step: twice with guidance, once where a pipeline drops the second pass.

Each further text that ``AND`` joins takes one more.
"""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.prompts.windows import parts_of
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.engine.steering import StageWindow
from jupyter_latents.errors import ModelError
from jupyter_latents.optimizations import keeps_law
from jupyter_latents.points import largest_scale
from jupyter_latents.stage import Stage
from jupyter_latents.wording import option

__all__ = ["check_joined", "passes_a_step", "passes_of", "passes_remark"]


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
    guided = above is not None and not given and largest_scale(stage.guidance_scale) > above
    return 1 + len(parts_of(stage)) if guided else 1


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
    """That passes are more than two a step, or that the second one is dropped on the way; empty where neither is.

    Args:
        windows: The windows of a stage.
        span: The steps that it runs.
        facts: Its model's.
    """
    texts = len(parts_of(windows[0].stage))
    if texts > 1:
        count = passes_of(windows, span, facts)
        return f"{count} passes of the {facts.denoiser}: {1 + texts} a step, for AND joins {texts} texts"
    single = [one for one in windows if passes_a_step(one.stage, facts) == 1]
    if len(single) in (0, len(windows)):
        return ""
    steps = ", ".join(f"{one.start}–{one.end}" for one in single)
    return f"{passes_of(windows, span, facts)} passes of the {facts.denoiser}: one a step, not two, in steps {steps}"


def check_joined(windows: Sequence[StageWindow], facts: ModelFacts) -> None:
    """Sees that texts that ``AND`` joins can steer together for a model, with what is put on it.

    Args:
        windows: The windows of a stage.
        facts: Its model's.

    Raises:
        ModelError: Something of it hears one text alone.
    """
    joining = [one for one in windows if len(parts_of(one.stage)) > 1]
    if not joining:
        return
    stage = joining[0].stage
    if facts.family.guided_above is None:
        raise _no_and(f"{facts.family.name} has no guidance between two passes, by which texts are weighed", "prompts")
    if unguided := [one for one in joining if passes_a_step(one.stage, facts) == 1]:
        raise _no_and(
            f"no guidance holds in steps {unguided[0].start} to {unguided[0].end}; a scale above "
            f"{facts.family.guided_above:g} weighs the texts",
            "guidance_scales",
        )
    if stage.pag_scale is not None or stage.pag_adaptive_scale is not None:
        raise _no_and(f"{option('pag_scales')} takes a pass of one text apart", "pag_scales")
    if not keeps_law(stage.model.optimize):
        raise _no_and("a step cache remembers the passes of one text", "optimize")


def _no_and(reason: str, dest: str) -> ModelError:
    return ModelError(f"AND joins texts that steer together, and {reason}. Leave one of the two out.", option=dest)
