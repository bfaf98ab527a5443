"""From the steps that a run has done to latents with their facts, and to the stage's result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from jupyter_latents.engine.failures.finite import check_finite, is_finite
from jupyter_latents.engine.layout import LAYOUTS
from jupyter_latents.engine.libraries.versions import versions
from jupyter_latents.engine.models.model import LoadedModel
from jupyter_latents.engine.result import StageResult
from jupyter_latents.engine.rules.origin import provenance_of
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.engine.tap.leaving import on_cpu
from jupyter_latents.engine.tap.states import StepState
from jupyter_latents.latents.facts import CLEAN, Position, Provenance, Resume
from jupyter_latents.latents.sound import KEY
from jupyter_latents.latents.trajectory import Trajectory
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.latents.clip import Clip

__all__ = ["RunOrigin", "StepLog", "finite", "last_latents", "newest_latents", "result_of"]


@dataclass(slots=True)
class StepLog:
    """What a run has done so far.

    Attributes:
        states: What there was after each whole step.
        span: The steps it is to run; None before its schedule is known.
        scheduler: Its scheduler.
        schedule: The schedule's digest.
        shape: Of its latents, unpacked.
        stopped: Whether it ended before its span did.
        switches: The steps of the whole schedule at which what steers it changes.
    """

    states: list[StepState] = field(default_factory=list)
    span: Span | None = None
    scheduler: Any = None
    schedule: str = ""
    shape: tuple[int, ...] = (0, 0)
    stopped: bool = False
    switches: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """Where the results of a run come from.

    Attributes:
        model: The model, loaded.
        stage: What was asked for.
        seed: The seed that it ran with.
        strength: The strength of its image; None without one.
        started: The latents that it started from, or None.
        parents: Digests of what it was given.
        said: What results say of the run besides, as options.
    """

    model: LoadedModel
    stage: Stage
    seed: int
    strength: float | None = None
    started: Latents | None = None
    parents: tuple[str, ...] = ()
    said: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def provenance(self) -> Provenance:
        """What results say of where they come from."""
        facts = self.model.facts
        said: dict[str, Any] = {
            "seed": self.seed,
            "strength": self.strength,
            "parents": self.parents,
            "beside": self.said,
        }
        return provenance_of(self.stage, facts, **said)


def finite(done: StepLog) -> StepLog | None:
    """What was done before the first value that is no number, as a stopped run; None where that is nothing."""
    states = [state for state in done.states if is_finite(state.latents)]
    return replace(done, states=states, stopped=True) if states else None


def last_latents(done: StepLog, origin: RunOrigin) -> Latents:
    """The last latents, with all steps before them as their trajectory.

    Args:
        done: Steps, of which there is at least one.
        origin: Where they come from.

    Raises:
        RunError: The last latents hold NaN or infinite values.
    """
    states = on_cpu(done.states)
    check_finite(states[-1].latents, origin.stage.model.name, origin.model.dtype)
    steps = [_latents(done, origin, state) for state in states]
    started = origin.started
    if started is not None and started.position is not None and started.position.schedule == done.schedule:
        steps = [*(started.trajectory or (started,)), *steps]
    return replace(steps[-1], trajectory=Trajectory(steps))


def newest_latents(done: StepLog, origin: RunOrigin) -> Latents:
    """The last latents alone.

    Args:
        done: Steps, of which there is at least one.
        origin: Where they come from.
    """
    (state,) = on_cpu(done.states[-1:])
    return _latents(done, origin, state)


def result_of(done: StepLog, origin: RunOrigin, latents: Latents, images: tuple[Image | Clip, ...] = ()) -> StageResult:
    """The stage's result.

    Args:
        done: Its steps.
        origin: Where they come from.
        latents: What they made.
        images: The pictures of it.
    """
    span, scheduler = done.span or Span(0, 0, 0, 1, 0), done.scheduler
    return StageResult(
        latents,
        images,
        span,
        done.states[-1].index - span.start_index + span.repeats,
        done.stopped,
        tuple(map(float, scheduler.timesteps.tolist())),
        origin.model.facts.family.fraction,
        int(scheduler.config.get("num_train_timesteps", 1000)),
        schedulers.level(scheduler, span.start_index),
        tuple(schedulers.level(scheduler, span.index(step)).own_sigma for step in range(span.of + 1)),
        done.switches,
        origin.model.facts.boundary,
    )


def _latents(done: StepLog, origin: RunOrigin, state: StepState) -> Latents:
    """The latents after one step, which lie in the CPU's memory."""
    facts, span, scheduler = origin.model.facts, done.span, done.scheduler
    noise = schedulers.level(scheduler, state.index)
    resume = None
    if noise is not CLEAN and state.scheduler is not None:
        resume = Resume(state.scheduler, _one_state(state.generator), versions())
    elif state.scheduler is not None and KEY in state.scheduler:
        resume = Resume(MappingProxyType({KEY: state.scheduler[KEY]}), None, versions())
    layout = LAYOUTS[facts.family.layout]
    estimate = state.denoised
    if estimate is not None:
        estimate = layout.unpack(estimate, done.shape).to(state.latents.dtype).contiguous()
    return Latents(
        layout.unpack(state.latents, done.shape),
        facts.space,
        noise,
        Position(
            (span.step(state.index) if span else None) or 0,
            span.of if span else 0,
            type(scheduler).__name__,
            done.schedule,
            facts.digest,
        ),
        resume,
        origin.provenance,
        estimate,
    )


def _one_state(states: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor | None:
    """A generator's state; None where a batch has several, which none of its items could go on from."""
    return states if isinstance(states, torch.Tensor) else None
