"""A denoiser known in closed form, in the smallest pipeline that the tap can hold: any scheduler in milliseconds.

What a scheduler's model is asked for is worked out here from the timestep alone, as a trained model would; nothing is
read from the package's own tables of levels.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeAlias

import torch

from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.engine.tap.states import Entry, StepState
from jupyter_latents.engine.tap.tap import Tap

__all__ = ["MU", "SD", "STOCHASTIC", "TAU", "Walk", "exploding", "gaussian", "line", "solution", "walk"]

MU, TAU = 0.4, 0.7  # mean and standard deviation of each value of the clean data
SIGMA_DATA = 0.5  # of EDM's and consistency models' preconditioning
SD: Mapping[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "skip_prk_steps": True,
}
STOCHASTIC = (
    "CMStochasticIterativeScheduler",
    "DDPMParallelScheduler",
    "DDPMScheduler",
    "DPMSolverSDEScheduler",
    "EulerAncestralDiscreteScheduler",
    "FlowMatchLCMScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "LCMScheduler",
    "SASolverScheduler",
    "TCDScheduler",
)
"""Schedulers that draw noise on their way."""

Estimate: TypeAlias = Callable[[torch.Tensor, float], torch.Tensor]
"""The clean estimate of (latents in variance-exploding terms, sigma)."""


def gaussian(latents: torch.Tensor, sigma: float) -> torch.Tensor:
    """E[x0 | x0 + sigma noise] of Gaussian data."""
    return MU + TAU**2 / (TAU**2 + sigma**2) * (latents - MU)


def line(clean: torch.Tensor) -> Estimate:
    """A model that sees one picture in everything: latents run down x0 + sigma * noise, whatever a solver's order."""
    return lambda _latents, _sigma: clean


def solution(latents: torch.Tensor, sigma: float) -> torch.Tensor:
    """Where the probability-flow ODE of Gaussian data ends that passes through latents of a level."""
    return MU + TAU / math.hypot(TAU, sigma) * (latents - MU)


def exploding(latents: torch.Tensor, noise: Any) -> torch.Tensor:
    """Latents in variance-exploding terms."""
    sigma = noise.sigma
    return latents * {"vp": math.hypot(1, sigma), "flow": 1 + sigma}.get(noise.form, 1.0)


def _sigma(scheduler: Any, timestep: float) -> float:
    name = type(scheduler).__name__
    if name.startswith("EDM"):  # Karras et al. 2022, c_noise
        return math.exp(4 * timestep)
    if name.startswith("CMStochastic"):
        return math.exp(timestep / 250)
    if name == "IPNDMScheduler":
        return math.tan(timestep * math.pi / 2) if timestep < 1 else math.inf
    if _flows(scheduler):
        return timestep / (1000 - timestep) if timestep < 1000 else math.inf
    alphas = scheduler.alphas_cumprod.double().clamp(min=1e-12)
    logs = ((1 - alphas) / alphas).log() / 2
    low = max(0, min(int(timestep), len(logs) - 2))
    return float(torch.lerp(logs[low], logs[low + 1], timestep - low).exp())


def _flows(scheduler: Any) -> bool:
    return type(scheduler).__name__.startswith("FlowMatch") or bool(scheduler.config.get("use_flow_sigmas"))


def _output(scheduler: Any, model_input: torch.Tensor, sigma: float, estimate: Estimate) -> torch.Tensor:
    """What a model of the scheduler's kind says of its input."""
    name = type(scheduler).__name__
    if math.isinf(sigma):
        clean = estimate(torch.zeros_like(model_input), 1e9)
        return model_input - clean if _flows(scheduler) else -clean
    if name.startswith(("EDM", "CMStochastic")):
        latents = model_input * math.hypot(sigma, SIGMA_DATA)
        above = sigma - (0.002 if name.startswith("CM") else 0.0)
        skip, out = SIGMA_DATA**2 / (above**2 + SIGMA_DATA**2), above * SIGMA_DATA / math.hypot(sigma, SIGMA_DATA)
        if name.startswith("CM"):
            out = above * SIGMA_DATA / math.hypot(above, SIGMA_DATA)
        return (estimate(latents, sigma) - skip * latents) / out
    latents = model_input * ((1 + sigma) if _flows(scheduler) else math.hypot(1, sigma))
    clean = estimate(latents, sigma)
    noise = (latents - clean) / sigma
    if _flows(scheduler):
        return noise - clean
    if name == "IPNDMScheduler" or scheduler.config.get("prediction_type") == "v_prediction":
        return (noise - sigma * clean) / math.hypot(1, sigma)
    return noise


class _Pipeline:
    """Sets timesteps, prepares latents, scales, asks, steps and calls back, as diffusers' pipelines do."""

    def __init__(self, estimate: Estimate, scheduler: Any) -> None:
        self.estimate, self.scheduler = estimate, scheduler
        self.vae = SimpleNamespace(dtype=torch.float64)  # what the tap asks a pipeline for, to blame its parts

    def set_progress_bar_config(self, **settings: Any) -> None: ...

    def maybe_free_model_hooks(self) -> None: ...

    def prepare_latents(self, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        return noise * float(getattr(self.scheduler, "init_noise_sigma", 1.0))

    def __call__(
        self,
        num_inference_steps: int,
        shape: tuple[int, ...],
        generator: torch.Generator,
        output_type: str = "latent",
        callback_on_step_end: Any = None,
        callback_on_step_end_tensor_inputs: Any = (),
    ) -> None:
        scheduler, accepted = self.scheduler, inspect.signature(self.scheduler.step).parameters
        extra = {"generator": generator} if "generator" in accepted else {}
        scheduler.set_timesteps(num_inference_steps)
        latents = self.prepare_latents(shape, generator)
        for number, timestep in enumerate(scheduler.timesteps):
            scales = hasattr(scheduler, "scale_model_input")
            scaled = scheduler.scale_model_input(latents, timestep) if scales else latents
            real = scheduler._tap.scheduler
            output = _output(real, scaled.double(), _sigma(real, float(timestep)), self.estimate)
            latents = scheduler.step(output, timestep, latents, **extra).prev_sample
            latents = callback_on_step_end(self, number, timestep, {"latents": latents}).get("latents", latents)


@dataclass(frozen=True)
class Walk:
    """One run.

    Attributes:
        scheduler: Its scheduler.
        states: What there was after each timestep.
    """

    scheduler: Any
    states: list[StepState]

    @property
    def last(self) -> StepState:
        return self.states[-1]

    def level(self, state: StepState) -> Any:
        return schedulers.level(self.scheduler, state.index)

    def exploding(self, state: StepState) -> torch.Tensor:
        """Its latents after a step in variance-exploding terms."""
        return exploding(state.latents.double(), self.level(state))


def walk(
    name: str,
    steps: int,
    *,
    estimate: Estimate = gaussian,
    window: tuple[int, int | None] = (0, None),
    given: StepState | torch.Tensor | None = None,
    shape: tuple[int, ...] = (1, 4, 8, 8),
    seed: int = 1,
    own: Mapping[str, Any] = SD,
) -> Walk:
    """Runs a scheduler through the tap.

    Args:
        name: As ``--scheduler`` names it.
        steps: Whole steps of its schedule.
        estimate: The model.
        window: First whole step and the one after the last.
        given: What it enters with: a state with its history, or latents without.
        shape: Of its latents.
        seed: Of its noise.
        own: Configuration of the model's own scheduler, a PNDM.
    """
    real = schedulers.build(name, "PNDMScheduler", own, seed=seed)
    states: list[StepState] = []

    def enter(scheduler: Any, _skipped: int) -> Entry:
        last = len(scheduler.timesteps)
        start, end = (last if step is None else min(step * int(scheduler.order), last) for step in window)
        if isinstance(given, StepState):
            return Entry(start, end, given.latents, given.scheduler, given.generator)  # type: ignore[arg-type]
        return Entry(start, end, given)

    def on_step(state: StepState) -> bool:
        states.append(state)
        return True

    call = {"num_inference_steps": steps, "shape": shape}
    Tap(real, torch.Generator().manual_seed(seed), enter, on_step).run(_Pipeline, {"estimate": estimate}, call)
    return Walk(real, states)
