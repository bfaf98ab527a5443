"""Solvers that begin in mid-schedule without their history, against arithmetic that is not diffusers'."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch

from jupyter_latents.engine.schedule.table import BACKWARDS
from tests.engine.cases import FLOW_SCHEDULERS, SCHEDULERS
from tests.engine.schedule.known import MU, STOCHASTIC, TAU, Walk, gaussian, line, solution, walk

DRAWN_STEADILY = tuple(name for name in SCHEDULERS + FLOW_SCHEDULERS if name not in (*STOCHASTIC, *BACKWARDS))
ENTRIES = ((10, 5), (20, 16))


@cache
def begun(name: str, steps: int, at: int) -> Walk:
    """A run up to a step."""
    return walk(name, steps, window=(0, at))


def left(run: Walk, name: str, steps: int, at: int, *, history: bool) -> float:
    """Error of what a run makes from there, against the end of the ODE in closed form."""
    whole = solution(run.exploding(run.last), run.level(run.last).sigma)
    given = run.last if history else run.last.latents
    end = walk(name, steps, window=(at, None), given=given).last.latents.double()
    return float((end - whole).norm() / whole.norm())


@pytest.mark.parametrize(("steps", "at"), ENTRIES)
@pytest.mark.parametrize("name", DRAWN_STEADILY)
def test_what_needs_no_order_comes_out_at_every_step_after_an_entry(name: str, steps: int, at: int) -> None:
    """A model that sees one picture in everything leaves a straight line: a wrong order or step leaves it at once."""
    run = begun(name, steps, at)
    clean, noise = torch.randn(2, 1, 4, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    level = run.level(run.last)
    ratio = float((run.last.latents.double() / run.exploding(run.last)).mean())
    entered = walk(name, steps, estimate=line(clean), window=(at, None), given=(clean + level.sigma * noise) * ratio)
    rounded = 0.03 if "use_flow_sigmas" in name else 2e-3  # their timesteps are whole numbers, their sigmas are not
    for state in entered.states[:-1]:
        sigma = entered.level(state).sigma
        if state.index % int(entered.scheduler.order) == 0:
            off = entered.exploding(state) - clean - sigma * noise
            assert float(off.norm() / (sigma * noise).norm()) < rounded, state.index


@pytest.mark.parametrize(("steps", "at"), ENTRIES)
@pytest.mark.parametrize("name", DRAWN_STEADILY)
def test_an_entry_without_history_is_about_as_exact_as_one_with_it(name: str, steps: int, at: int) -> None:
    run = begun(name, steps, at)
    exact, anew = (left(run, name, steps, at, history=history) for history in (True, False))
    assert anew <= max(0.06, 1.5 * exact)


@pytest.mark.parametrize(("steps", "at", "best"), [(10, 5, 0.021), (20, 16, 0.01), (30, 27, 0.01)])
@pytest.mark.parametrize("name", ["LMSDiscreteScheduler", "PNDMScheduler"])
def test_schedulers_that_counted_on_their_first_step_do_not(name: str, steps: int, at: int, best: float) -> None:
    """They were off by 0.03 to 0.25 (LMS) and 0.02 to 0.05 (PNDM)."""
    assert left(begun(name, steps, at), name, steps, at, history=False) < best


@pytest.mark.parametrize("name", DRAWN_STEADILY + STOCHASTIC)
def test_a_run_that_entered_without_history_splits_like_any(name: str) -> None:
    run = begun(name, 12, 6)
    whole = walk(name, 12, window=(6, None), given=run.last.latents)
    for cut in (7, 9):
        first = walk(name, 12, window=(6, cut), given=run.last.latents)
        rest = walk(name, 12, window=(cut, None), given=first.last)
        assert torch.equal(rest.last.latents, whole.last.latents), cut


# The order of each step, worked out by hand: how many of the outputs since the entry a step rests on.


def adams(
    levels: Sequence[float], variable: Callable[[float], float], outputs: list[torch.Tensor], most: int
) -> torch.Tensor:
    """The next step of an Adams-Bashforth method in sigma: the outputs' polynomial in `variable`, integrated.

    Args:
        levels: Sigma of each output and of the next step, falling.
        variable: In what the outputs are taken for a polynomial.
        outputs: What the model said since the entry.
        most: Highest order.
    """
    used = min(len(outputs), most)
    points = [variable(level) for level in levels[-1 - used : -1]]
    low, high = levels[-2], levels[-1]
    nodes, weights = np.polynomial.legendre.leggauss(48)
    places = (high - low) / 2 * nodes + (high + low) / 2
    total = torch.zeros_like(outputs[0])
    for number, point in enumerate(points):
        others = [other for other in points if other != point]
        basis = [math.prod((variable(s) - other) / (point - other) for other in others) for s in places]
        total += outputs[len(outputs) - used + number] * float((high - low) / 2 * np.dot(weights, basis))
    return total


def integrated(
    latents: torch.Tensor, levels: Sequence[float], variable: Callable[[float], float], most: int
) -> torch.Tensor:
    """Down a list of levels, in variance-exploding terms, by `adams`."""
    outputs: list[torch.Tensor] = []
    for number, (level, _) in enumerate(pairwise(levels)):
        outputs.append((latents - gaussian(latents, level)) / level)
        latents = latents + adams(levels[: number + 2], variable, outputs, most)
    return latents


def by_plms(latents: torch.Tensor, levels: Sequence[float]) -> torch.Tensor:
    """Pseudo linear multistep (Liu et al. 2022, equation 12) after one improved Euler step, by the noise alone.

    The transfer part (equation 11) goes from one level to the next with a given noise, which in variance-exploding
    terms is a straight line.
    """
    outputs: list[torch.Tensor] = []

    def noise(of: torch.Tensor, level: float) -> torch.Tensor:
        return (of - gaussian(of, level)) / level

    weights = {1: (1.0,), 2: (1.5, -0.5), 3: (23 / 12, -16 / 12, 5 / 12), 4: (55 / 24, -59 / 24, 37 / 24, -9 / 24)}
    for number, (level, following) in enumerate(pairwise(levels)):
        outputs.insert(0, noise(latents, level))
        blended = sum(weight * output for weight, output in zip(weights[min(len(outputs), 4)], outputs, strict=False))
        if number == 0:
            ahead = latents + (following - level) * outputs[0]
            blended = (outputs[0] + noise(ahead, following)) / 2
        latents = latents + (following - level) * blended
    return latents


def by_dpm(latents: torch.Tensor, levels: Sequence[float]) -> torch.Tensor:
    """DPM-Solver++ (2M) of k-diffusion: the last two estimates are a straight line in -log sigma."""
    before: torch.Tensor | None = None
    for number, (level, following) in enumerate(pairwise(levels)):
        clean = used = gaussian(latents, level)
        if before is not None:
            ratio = math.log(levels[number - 1] / level) / math.log(level / following)
            used = clean + (clean - before) / (2 * ratio)
        latents = used + (following / level) * (latents - used)
        before = clean
    return latents


BY_HAND: dict[str, Callable[[torch.Tensor, Sequence[float]], torch.Tensor]] = {
    "LMSDiscreteScheduler": lambda latents, levels: integrated(latents, levels, lambda sigma: sigma, 4),
    "DEISMultistepScheduler": lambda latents, levels: integrated(latents, levels, math.log, 2),
    "DEISMultistepScheduler;solver_order=3": lambda latents, levels: integrated(latents, levels, math.log, 3),
    "PNDMScheduler": by_plms,
    "DPMSolverMultistepScheduler": by_dpm,
    "EDMDPMSolverMultistepScheduler": by_dpm,
}


@pytest.mark.parametrize(("steps", "at"), [(10, 5), (20, 10), (20, 16), (30, 26)])
@pytest.mark.parametrize("name", BY_HAND)
def test_each_step_after_an_entry_has_the_order_worked_out_by_hand(name: str, steps: int, at: int) -> None:
    """All but the last, which many solvers take in a lower order."""
    run = begun(name, steps, at)
    entered = walk(name, steps, window=(at, None), given=run.last.latents)
    levels = [run.level(run.last).sigma, *(entered.level(state).sigma for state in entered.states[:-2])]
    assert len(levels) > 2
    for count, state in enumerate(entered.states[:-2], start=1):
        by_hand = BY_HAND[name](run.exploding(run.last), levels[: count + 1])
        assert torch.allclose(entered.exploding(state), by_hand, rtol=1e-3, atol=1e-4), count


def ancestral(mean: float, variance: float, level: float, following: float) -> tuple[float, float]:
    """Mean and variance after a step of Euler's ancestral method (k-diffusion) on Gaussian data."""
    up = following * math.sqrt(max(0.0, 1 - (following / level) ** 2)) if level > 0 else 0.0
    factor = 1 + (math.sqrt(following**2 - up**2) - level) * level / (TAU**2 + level**2)
    return MU + factor * (mean - MU), factor**2 * variance + up**2


def consistent(mean: float, variance: float, level: float, following: float) -> tuple[float, float]:
    """The same of a latent consistency model's: the clean estimate, noised to the next level (Luo et al. 2023)."""
    factor = TAU**2 / (TAU**2 + level**2)
    return MU + factor * (mean - MU), factor**2 * variance + following**2


@pytest.mark.parametrize(
    ("name", "step"), [("EulerAncestralDiscreteScheduler", ancestral), ("LCMScheduler", consistent)]
)
def test_noise_drawn_after_an_entry_has_the_variance_of_the_closed_form(
    name: str, step: Callable[[float, float, float, float], tuple[float, float]]
) -> None:
    shape = (8, 4, 32, 32)
    run = walk(name, 40, window=(0, 20), shape=shape)
    entered = walk(name, 40, window=(20, None), shape=shape, given=run.last.latents, seed=2)
    start = run.exploding(run.last)
    moments = float(start.mean()), float(start.var())
    levels = [run.level(run.last).sigma, *(entered.level(state).sigma for state in entered.states)]
    for level, following in pairwise(levels):
        moments = step(*moments, level, following)
    last = entered.last.latents.double()
    count = math.prod(shape)
    assert abs(float(last.mean()) - moments[0]) < 5 * math.sqrt(moments[1] / count) + 0.002
    assert abs(float(last.var()) / moments[1] - 1) < 5 * math.sqrt(2 / count) + 0.01
