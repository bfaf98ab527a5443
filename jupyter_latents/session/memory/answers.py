"""What of a plan need not run: kept from before, or made by an earlier stage of the same plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.session.memory.identity import key_of
from jupyter_latents.session.memory.leads import Lead, leads_of
from jupyter_latents.session.memory.memo import continues
from jupyter_latents.session.memory.stand_ins import digest_inputs

if TYPE_CHECKING:
    from jupyter_latents.engine import Inputs, Standing
    from jupyter_latents.session.memory.memo import Memo
    from jupyter_latents.session.models import Models
    from jupyter_latents.session.names.resolve import Resolver
    from jupyter_latents.session.plans.planning import PlannedStage
    from jupyter_latents.stage import Stage

__all__ = ["Answers"]


class Answers:
    """Says which steps of a plan are kept from before, or will have been run by an earlier stage of it.

    An earlier stage answers where its digest is equal. Latents to come enter that by the digest of what makes them.

    Args:
        memo: What is remembered.
        models: Says what tells a stage from others.
        force: Whether everything runs again.
    """

    def __init__(self, memo: Memo, models: Models, *, force: bool = False) -> None:
        self._memo, self._models, self._force = memo, models, force
        self._reached: dict[str, int] = {}

    def answers(self, planned: PlannedStage, stage: Stage, resolver: Resolver) -> tuple[PlannedStage, Standing | None]:
        """A planned stage with its saved steps, and the latents that it will give, or their outline.

        Args:
            planned: The stage, which can run.
            stage: What is asked for.
            resolver: Looks up its inputs.
        """
        course, inputs = planned.course, self._inputs(planned, stage, resolver)
        key = key_of(stage, inputs, self._models) if inputs is not None else ""
        if course is None or inputs is None or not key:
            return planned, planned.outline
        leads = leads_of(stage, course.windows, inputs, self._models)
        span, before = course.span, self._before(key, leads, course.span.end)
        self._reached[key] = max(span.end, self._reached.get(key, 0))
        for lead in leads:
            self._reached[lead.key] = max(lead.end, self._reached.get(lead.key, 0))
        outline = replace(course.outline, made=f"{key} {span.end}")
        if self._force or stage.force:
            return planned, outline
        found = self._memo.foresee(key, stage, leads)
        kept = found.latents.position.step if found is not None and found.latents.position is not None else 0
        known = max(span.start, min(span.end, max(kept, before)))
        if known < span.end and not continues(stage):
            known = span.start
        whole = found is not None and kept == span.end and not stage.latents_post_processors
        latents = found.latents if found is not None and whole else outline
        return replace(planned, saved=span.evaluations_to(known)), latents

    def _before(self, key: str, leads: Sequence[Lead], end: int) -> int:
        """The step that earlier stages of the plan reach for a stage; its last one it runs itself, as `Memo` says."""
        common = (min(lead.end, self._reached.get(lead.key, 0), end - 1) for lead in leads)
        return max(self._reached.get(key, 0), *common, 0)

    def _inputs(self, planned: PlannedStage, stage: Stage, resolver: Resolver) -> Inputs | None:
        """What the stage's digest is made of; None where some of it is not known."""
        if planned.course is None or planned.draws:
            return None
        try:
            inputs = digest_inputs(resolver, stage, planned.course.model)
        except JupyterLatentsError:
            return None  # a picture that nobody can read or that is not known yet: the run says so, the plan counts all
        if not all(
            getattr(latents, "made", True) for latents in (*inputs.latents, *inputs.pasted)
        ):  # outlines that nobody knows
            return None
        return inputs
