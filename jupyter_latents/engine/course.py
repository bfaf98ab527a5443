"""From what the engine knows to what it tells: plain data in place of schedulers, classes and files."""

from __future__ import annotations

from dataclasses import replace

from jupyter_latents.engine.answers import Course, ModelCard, ScheduleCard
from jupyter_latents.engine.given.outline import Outline
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.prepare import Prepared
from jupyter_latents.engine.rules.sharing import shares
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.engine.schedule.timesteps import whole_schedule
from jupyter_latents.stage import Stage

__all__ = ["card_of", "course_of", "schedule_card"]


def card_of(facts: ModelFacts) -> ModelCard:
    """What is told of a model."""
    return ModelCard(
        facts.name,
        facts.family.name,
        facts.space,
        facts.family.direct_latents,
        "" if facts.lacking else facts.identity,
        facts.lacking,
        facts.family.reads_clips,
    )


def course_of(prepared: Prepared) -> Course:
    """What is told of a stage that is prepared."""
    scheduler, span = prepared.scheduler, prepared.span
    return Course(
        stage=prepared.stage,
        model=card_of(prepared.facts),
        mode=prepared.mode,
        span=span,
        timesteps=tuple(map(float, scheduler.timesteps.tolist())),
        levels=tuple(schedulers.level(scheduler, span.index(step)) for step in range(span.of + 1)),
        rule=prepared.facts.family.fraction,
        train_timesteps=int(scheduler.config.get("num_train_timesteps", 1000)),
        verdict=prepared.verdict,
        notes=prepared.notes,
        windows=prepared.windows,
        passes=prepared.passes,
        weights=prepared.weights,
        outline=prepared.outline,
        shares=shares(prepared.stage, prepared.given, len(prepared.pieces), prepared.facts.family),
        draws=prepared.seed is None and not isinstance(prepared.latents, Outline),
        warnings=prepared.warnings,
    )


def schedule_card(stage: Stage, size: tuple[int, int] | None = None) -> ScheduleCard:
    """The whole schedule of a stage, by what is on this machine; see `jupyter_latents.engine.schedule_of`."""
    facts = describe(replace(stage.model, offline=True))
    asked = (stage.size.width, stage.size.height) if stage.size else facts.default_size
    scheduler = whole_schedule(stage, facts, *(size or asked))
    timesteps, order = tuple(map(float, scheduler.timesteps)), int(scheduler.order)
    steps = -(-len(timesteps) // order)
    return ScheduleCard(
        timesteps,
        tuple(schedulers.level(scheduler, min(step * order, len(timesteps))) for step in range(steps + 1)),
        order,
        facts.family.fraction,
        int(scheduler.config.get("num_train_timesteps", 1000)),
        schedulers.schedule_digest(scheduler),
    )
