"""How a solver begins in mid-schedule without its history, where diffusers' own counts on having begun at step 0.

Most schedulers raise their order with the outputs that they have and need nothing. LMS takes its order from the step's
number, so that coefficients of order 4 meet a single derivative: `order` is an argument of its ``step``. PNDM takes its
second call for the repeat of the timestep before (`PNDMScheduler.step_plms`), which only the head of its own list has:
here that timestep runs twice, and the first of the two is no step of its own. PNDM's Runge-Kutta steps stand only at
the head, and nothing can stand for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from jupyter_latents.errors import HandoffError
from jupyter_latents.latents.facts import StateValue
from jupyter_latents.wording import option

__all__ = ["check", "first_index", "indices", "order", "with_entry", "without_entry"]

_ORDER_BY_STEP = frozenset({"LMSDiscreteScheduler"})
_HIGHEST = 4  # of diffusers' LMS
_REPEATS = frozenset({"PNDMScheduler"})
_ENTRY = "entered_at"  # beside the scheduler's own attributes: the timestep index at which its history begins


def check(scheduler: Any, start_index: int) -> None:
    """Raises where a scheduler cannot begin at a timestep index without its history.

    Raises:
        HandoffError: Its first steps are of another kind than the rest.
    """
    if start_index > 0 and len(getattr(scheduler, "prk_timesteps", ())) > 0:
        raise HandoffError(
            f"{type(scheduler).__name__} with skip_prk_steps=false begins with Runge-Kutta steps, which stand only at "
            f"the head of its schedule, and this stage enters at timestep {start_index + 1} of "
            f"{len(scheduler.timesteps)} without its history. Give "
            f"{option('schedulers')} {type(scheduler).__name__};skip_prk_steps=true.",
            option="schedulers",
        )


def first_index(scheduler: Any, start_index: int) -> int:
    """The timestep index at which a beginning in mid-schedule runs: past a repeat, which needs the call before it.

    Args:
        scheduler: A scheduler after ``set_timesteps``.
        start_index: Timestep index at which latents enter.
    """
    timesteps = scheduler.timesteps
    twice = start_index > 0 and start_index + 1 < len(timesteps) and _repeats(scheduler)
    return start_index + 1 if twice and timesteps[start_index] == timesteps[start_index + 1] else start_index


def indices(scheduler: Any, start_index: int) -> Sequence[int]:
    """The timestep indices that run, in order, from one where a scheduler begins without its history.

    Args:
        scheduler: A scheduler after ``set_timesteps``.
        start_index: Timestep index of the first step, one of `first_index`.
    """
    last = len(scheduler.timesteps)
    if start_index in (0, last - 1) or not _repeats(scheduler):
        return range(start_index, last)
    return [start_index, start_index + 1, *range(start_index + 1, last)]


def _repeats(scheduler: Any) -> bool:
    return type(scheduler).__name__ in _REPEATS


def order(scheduler: Any, index: int, entered: int | None) -> Mapping[str, int]:
    """What ``step`` is to be told of its order; empty where a scheduler knows it.

    Args:
        scheduler: A scheduler after ``set_timesteps``.
        index: Timestep index of the step.
        entered: Timestep index at which its history begins; None where that is its schedule's beginning.
    """
    if entered is None or type(scheduler).__name__ not in _ORDER_BY_STEP:
        return MappingProxyType({})
    return MappingProxyType({"order": min(index - entered + 1, _HIGHEST)})


def with_entry(
    scheduler: Any, state: Mapping[str, StateValue] | None, entered: int | None
) -> Mapping[str, StateValue] | None:
    """A scheduler's state with where its history begins, if later steps depend on it."""
    if state is None or entered is None or type(scheduler).__name__ not in _ORDER_BY_STEP:
        return state
    return MappingProxyType({**state, _ENTRY: entered})


def without_entry(state: Mapping[str, StateValue]) -> tuple[int | None, Mapping[str, StateValue]]:
    """Where the history begins that a state is of, and the scheduler's own attributes.

    Returns:
        The timestep index, None where that is the schedule's beginning; and the attributes.
    """
    entered = state.get(_ENTRY)
    own = {name: value for name, value in state.items() if name != _ENTRY}
    return (entered if isinstance(entered, int) else None), own
