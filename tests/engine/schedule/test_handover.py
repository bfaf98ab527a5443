"""Hand-over between schedulers of different form, schedule and length, against arithmetic done here by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.observer import Silent
from jupyter_latents.engine.schedule.level_tensor import level_tensor
from jupyter_latents.errors import HandoffError
from jupyter_latents.latents import SPACES, Latents, Noise
from jupyter_latents.stage import Size, Window
from tests.engine.cases import PROMPT, Bench, equal, inputs, plain, relative
from tests.engine.exact import MU, TAU, Moments, exact_engine, run_undecoded

FLOW = "UniPCMultistepScheduler;use_flow_sigmas=true;prediction_type=flow_prediction"
FLOW_DPM = "DPMSolverMultistepScheduler;use_flow_sigmas=true;prediction_type=flow_prediction"


class Notes(Silent):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text: str, *, warning: bool = False) -> None:
        (self.warnings if warning else self.notes).append(text)


# By hand: levels and forms straight from diffusers' tables, facts of the schedulers' own papers.


def sigma_at(scheduler: Any, form: str, index: int) -> float:
    """Sigma in variance-exploding terms before a timestep, from the scheduler's own table."""
    if form == "ve":
        return float(scheduler.sigmas[index])
    if form == "flow":
        s = float(scheduler.sigmas[index])
        return s / (1 - s)
    abar = float(scheduler.alphas_cumprod[int(scheduler.timesteps[index])])
    return math.sqrt((1 - abar) / abar)


def signal(form: str, sigma: float) -> float:
    """What x0 is multiplied by in latents of a form."""
    return {"ve": 1.0, "vp": 1 / math.sqrt(1 + sigma**2), "flow": 1 / (1 + sigma)}[form]


@cache
def pipeline(folder: Path) -> Any:
    return plain(folder)


def loop(folder: Path, scheduler: Any, latents: torch.Tensor, start: int) -> torch.Tensor:
    """Classifier-free guided denoising with diffusers' parts and no pipeline: scale, predict, guide, step."""
    made = pipeline(folder)
    with torch.no_grad():
        positive, negative = made.encode_prompt(PROMPT, torch.device("cpu"), 1, True)
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(start)
        for timestep in scheduler.timesteps[start:]:
            both = scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
            predicted = made.unet(both, timestep, torch.cat([negative, positive])).sample
            without, towards = predicted.chunk(2)
            latents = scheduler.step(without + 3.0 * (towards - without), timestep, latents).prev_sample
    return latents


@dataclass(frozen=True)
class Side:
    """One side of a hand-over.

    Attributes:
        name: As ``--scheduler`` names it.
        form: Its form.
        sigmas: Custom sigmas, where a level has to be met exactly.
    """

    name: str
    form: str
    sigmas: tuple[float, ...] | None = None

    def build(self, folder: Path) -> Any:
        """The scheduler itself, built without the engine."""
        import diffusers

        config = dict(pipeline(folder).scheduler.config)
        name, *rest = self.name.split(";")
        extra: dict[str, Any] = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"} if rest else {}
        extra |= {"solver_order": 1} if "solver_order=1" in rest else {}
        if name == "DDIMScheduler":
            extra |= {"clip_sample": False, "set_alpha_to_one": False}
        scheduler = getattr(diffusers, name).from_config(config, **extra)
        if self.sigmas:
            scheduler.set_timesteps(sigmas=np.array(self.sigmas))
        else:
            scheduler.set_timesteps(10)
        return scheduler


EULER = Side("EulerDiscreteScheduler", "ve")
HEUN = Side("HeunDiscreteScheduler", "ve")
DDIM = Side("DDIMScheduler", "vp")
DPM = Side("DPMSolverMultistepScheduler", "vp")
UNIPC = Side("UniPCMultistepScheduler", "vp")


def meeting(sigma: float, *, flow: bool) -> tuple[float, ...]:
    """Ten falling sigmas whose sixth is `sigma`, in flow terms or not."""
    falling = [sigma * 1.5 ** (5 - step) for step in range(10)]
    return tuple(value / (1 + value) if flow else value for value in falling)


def middle(bench: Bench, side: Side) -> float:
    """Sigma after five of ten steps."""
    return sigma_at(side.build(bench.folder("sd15")), side.form, 5 * (2 if side is HEUN else 1))


def pair(bench: Bench, name: str) -> tuple[Side, Side]:
    """Giver and receiver of a pair of forms that have the middle level in common."""
    ddim, euler = middle(bench, DDIM), middle(bench, EULER)
    return {
        "ve-ve": (EULER, HEUN),
        "ve-vp": (EULER, DDIM),
        "ve-flow": (EULER, Side(FLOW, "flow", meeting(euler, flow=True))),
        "vp-ve": (DDIM, EULER),
        "vp-vp": (DPM, UNIPC),
        "vp-flow": (DDIM, Side(FLOW, "flow", meeting(ddim, flow=True))),
        "flow-ve": (Side(FLOW, "flow", meeting(euler, flow=True)), EULER),
        "flow-vp": (Side(FLOW, "flow", meeting(ddim, flow=True)), DDIM),
        "flow-flow": (
            Side(FLOW, "flow", meeting(euler, flow=True)),
            Side(f"{FLOW};solver_order=1", "flow", meeting(euler, flow=True)),
        ),
    }[name]


PAIRS = tuple(f"{giver}-{receiver}" for giver in ("ve", "vp", "flow") for receiver in ("ve", "vp", "flow"))


@pytest.mark.parametrize("name", PAIRS)
def test_every_pair_of_forms_agrees_with_independent_arithmetic(bench: Bench, name: str) -> None:
    giver, receiver = pair(bench, name)
    folder = bench.folder("sd15")
    base = bench.run("sd15", scheduler=giver.name, sigmas=giver.sigmas, window=Window(None, 0.5)).latents
    scheduler = receiver.build(folder)
    index = 10 if receiver is HEUN else 5
    given, wanted = sigma_at(giver.build(folder), giver.form, 5), sigma_at(scheduler, receiver.form, index)
    assert math.isclose(given, wanted, rel_tol=1e-5), "the case needs a level in common"
    assert math.isclose(base.noise.sigma, given, rel_tol=1e-6)
    entered = base.tensor * (signal(receiver.form, given) / signal(giver.form, given))
    expected = loop(folder, scheduler, entered, index)
    ours = bench.run("sd15", "txt2img", base, scheduler=receiver.name, sigmas=receiver.sigmas)
    assert ours.span.start == 5
    assert relative(ours.latents.tensor, expected) < 1e-5


@pytest.mark.parametrize("steps", [7, 10, 16, 33])
@pytest.mark.parametrize(
    "receiver", ["EulerDiscreteScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler", FLOW_DPM]
)
def test_latents_enter_at_the_nearest_level_at_or_above_their_own(bench: Bench, receiver: str, steps: int) -> None:
    base = bench.run("sd15", scheduler="EulerDiscreteScheduler", window=Window(None, 0.5)).latents
    notes = Notes()
    stage = bench.stage("sd15", scheduler=receiver, num_inference_steps=steps)
    result = bench.engine.run(stage, inputs("txt2img", base), notes)
    side = Side(receiver, {"E": "ve", "D": "vp"}[receiver[0]] if receiver != FLOW_DPM else "flow")
    scheduler = side.build(bench.folder("sd15"))
    scheduler.set_timesteps(steps)
    levels = [sigma_at(scheduler, side.form, index) for index in range(steps)]
    start = max(index for index, level in enumerate(levels) if level >= base.noise.sigma * (1 - 1e-3))
    assert result.span.start == start
    assert result.evaluations == steps - start
    added = levels[start] > base.noise.sigma * (1 + 1e-3)
    assert any("noise added" in note for note in notes.notes) == added
    assert not notes.warnings


def test_the_noise_added_has_exactly_the_missing_variance() -> None:
    clean = torch.randn(1, 4, 256, 256, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(1, 4, 256, 256, generator=torch.Generator().manual_seed(2))
    for giver in ("ve", "vp", "flow"):
        for receiver in ("ve", "vp", "flow"):
            given = Latents((clean + 0.6 * noise) * signal(giver, 0.6), SPACES["sd"], Noise(0.6, giver))
            entered = level_tensor(given, Noise(0.9, receiver), torch.Generator().manual_seed(3))
            added = entered / signal(receiver, 0.9) - clean - 0.6 * noise
            count = added.numel()
            assert abs(added.mean()) < 5 * math.sqrt((0.81 - 0.36) / count)
            assert abs(added.var() / (0.81 - 0.36) - 1) < 5 * math.sqrt(2 / count)
            assert abs((added * noise).mean()) < 5 * math.sqrt((0.81 - 0.36) / count)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_not_rounded_again_on_the_way(dtype: torch.dtype) -> None:
    given = Latents(torch.randn(1, 4, 64, 64).to(dtype) * 10, SPACES["sd"], Noise(9.7, "ve"))
    entered = level_tensor(given, Noise(9.7, "vp"), torch.Generator())
    assert relative(entered, given.tensor.double() / math.hypot(1, 9.7)) < 1e-6


@pytest.mark.parametrize("form", ["ve", "vp", "flow"])
def test_pure_noise_enters_any_form_with_the_variance_that_its_schedule_begins_with(form: str) -> None:
    """Unit-variance data at level sigma has variance 1 + sigma^2 in VE terms; of pure noise that is all noise."""
    pure = Latents(torch.randn(1, 4, 256, 256), SPACES["sd"], Noise(math.inf, "flow"))
    entered = level_tensor(pure, Noise(14.6, form), torch.Generator())
    assert math.isclose(float(entered.std()), math.hypot(1, 14.6) * signal(form, 14.6), rel_tol=0.01)


@pytest.mark.parametrize("form", ["ve", "vp", "flow"])
def test_what_enters_where_pure_noise_is_expected_has_its_variance(form: str) -> None:
    data, noise = torch.randn(2, 1, 4, 256, 256)
    given = Latents((data + 3.0 * noise) * signal(form, 3.0), SPACES["sd"], Noise(3.0, form))
    assert math.isclose(float(level_tensor(given, Noise(math.inf, "flow"), torch.Generator()).std()), 1.0, rel_tol=0.01)


def test_latents_carry_on_without_denoising_start(bench: Bench) -> None:
    whole = bench.whole("sd15", scheduler="EulerDiscreteScheduler")
    base = bench.run("sd15", scheduler="EulerDiscreteScheduler", window=Window(None, 0.7)).latents
    assert equal(bench.run("sd15", "txt2img", base, scheduler="EulerDiscreteScheduler"), whole)


def test_a_start_that_contradicts_the_noise_warns_with_both_values(bench: Bench) -> None:
    base = bench.run("sd15", scheduler="EulerDiscreteScheduler", window=Window(None, 0.5)).latents
    notes = Notes()
    stage = bench.stage("sd15", scheduler="DDIMScheduler", window=Window(0.8, None))
    result = bench.engine.run(stage, inputs("txt2img", base), notes)
    (warning,) = notes.warnings
    own, given = f"{base.noise.sigma:.3g}", middle_of(bench, "DDIMScheduler", 8)
    assert "denoising start 0.8" in warning
    assert own in warning
    assert given in warning
    assert "Leave the denoising start out" in warning
    assert "nearest to step 5." in warning
    assert result.span.start == 8


def test_a_start_between_two_steps_names_the_nearer_one(bench: Bench) -> None:
    """0.5 of 27 steps is step 13, where the latents enter in any case; they stand nearer to step 14."""
    base = bench.run("sd15", scheduler="EulerDiscreteScheduler", num_inference_steps=20, window=Window(None, 0.5))
    notes = Notes()
    stage = bench.stage("sd15", scheduler="EulerDiscreteScheduler", num_inference_steps=27, window=Window(0.5, None))
    bench.engine.run(stage, inputs("txt2img", base.latents), notes)
    (warning,) = notes.warnings
    assert "is step 13 of 27" in warning
    assert "nearest to step 14. Without a denoising start they enter there too" in warning


def middle_of(bench: Bench, name: str, index: int) -> str:
    """Sigma before a timestep of ten, as messages print it."""
    return f"{sigma_at(DDIM.build(bench.folder('sd15')), 'vp', index):.3g}"


@pytest.mark.parametrize(("steps", "start"), [(10, 0.5), (14, 0.5), (9, 0.5)])
def test_a_start_within_half_a_step_does_not_warn(bench: Bench, steps: int, start: float) -> None:
    base = bench.run("sd15", scheduler="EulerDiscreteScheduler", window=Window(None, 0.5)).latents
    notes = Notes()
    stage = bench.stage("sd15", scheduler="DDIMScheduler", num_inference_steps=steps, window=Window(start, None))
    bench.engine.run(stage, inputs("txt2img", base), notes)
    assert not notes.warnings


def test_latents_past_the_end_of_the_window_are_refused(bench: Bench) -> None:
    base = bench.run("sd15", window=Window(None, 0.8)).latents
    with pytest.raises(HandoffError, match=r"already stand at step \d+ of \d+"):
        bench.run("sd15", "txt2img", base, window=Window(None, 0.4))


FORMS = {
    "ve": "HeunDiscreteScheduler",
    "vp": "DPMSolverMultistepScheduler",
    "flow": FLOW_DPM,
}
COUNT = 8 * 4 * 32 * 32
ENGINES: dict[str, LocalEngine] = {}


def exactly(bench: Bench, form: str, *latents: Latents, **options: Any) -> Any:
    """Runs the exact denoiser with a scheduler of a form: eight pictures, 32,768 values."""
    engine = ENGINES.setdefault(form, exact_engine(form))
    sized = {} if latents else {"size": Size(256, 256), "batch_size": 8}
    stage = bench.stage("sd15", scheduler=FORMS[form], **{"size": None, **sized, **options})
    return run_undecoded(engine, stage, inputs("txt2img", *latents))


def has_moments(latents: Latents, expected: Moments, form: str) -> None:
    """Within five standard errors of independent values, and one percent for the solvers' own steps."""
    values = latents.tensor.double() / signal(form, expected.sigma)
    deviation = math.sqrt(expected.variance)
    assert abs(float(values.mean()) - expected.mean) < 5 * deviation / math.sqrt(COUNT) + 0.01 * TAU
    assert abs(float(values.var()) / expected.variance - 1) < 5 * math.sqrt(2 / COUNT) + 0.02


@pytest.mark.parametrize("receiver", FORMS)
@pytest.mark.parametrize("giver", FORMS)
def test_an_exact_denoiser_ends_in_the_right_distribution_after_any_hand_over(
    bench: Bench, giver: str, receiver: str
) -> None:
    """60 steps hand over at half to a schedule of 45: mean and variance follow from the law of total variance."""
    base = exactly(bench, giver, num_inference_steps=60, window=Window(None, 0.5), seed=11)
    start = math.inf if giver == "flow" else 14.6146
    noise = Moments.of_noise(start if math.isfinite(start) else 1e4)
    at_hand_over = noise.denoised_to(base.latents.noise.sigma)
    has_moments(base.latents, at_hand_over, giver)
    last = exactly(bench, receiver, base.latents, num_inference_steps=45, seed=12)
    entered = at_hand_over.noised_to(max(entered_at(bench, receiver, last.span.start_index), at_hand_over.sigma))
    assert last.latents.is_clean
    has_moments(last.latents, entered.denoised_to(0.0), "ve")
    assert abs(float(last.latents.tensor.mean()) - MU) < 0.1


@pytest.mark.parametrize("receiver", FORMS)
def test_an_exact_denoiser_makes_the_data_of_pure_noise(bench: Bench, receiver: str) -> None:
    given = Latents(torch.randn(8, 4, 32, 32, generator=torch.Generator().manual_seed(4)), None, Noise(math.inf, "vp"))
    last = exactly(bench, receiver, given, num_inference_steps=60, seed=12)
    assert last.span.start == 0
    begun = 14.6146 if receiver != "flow" else 1e4
    has_moments(last.latents, Moments(0.0, 1 + begun**2, begun).denoised_to(0.0), "ve")


def test_latents_that_say_another_level_than_their_step_has_enter_at_that_level(bench: Bench) -> None:
    base = bench.run("sd15", scheduler="EulerDiscreteScheduler", window=Window(None, 0.5)).latents
    noise = base.trajectory[2].noise
    said = base.replace(noise=noise)
    notes = Notes()
    last = bench.engine.run(bench.stage("sd15", scheduler="EulerDiscreteScheduler"), inputs("txt2img", said), notes)
    assert last.span.start == 3
    raised = base.replace(position=None, resume=None, noise=noise)
    assert equal(bench.run("sd15", "txt2img", raised, scheduler="EulerDiscreteScheduler"), last)


SDE = "DPMSolverMultistepScheduler;algorithm_type=sde-dpmsolver++"


@pytest.mark.parametrize("scheduler", ["EulerAncestralDiscreteScheduler", SDE])
def test_a_stage_with_the_givers_seed_does_not_draw_its_noise_again(bench: Bench, scheduler: str) -> None:
    """Drawn again, it made the deviation a fifth too large; the same seed must do as well as another."""
    engine = ENGINES.setdefault("ve", exact_engine("ve"))
    sized = {"size": Size(256, 256), "batch_size": 8}
    begun = bench.stage("sd15", scheduler=scheduler, num_inference_steps=60, window=Window(None, 0.5), seed=11, **sized)
    base = run_undecoded(engine, begun, inputs()).latents
    deviations = []
    for given, steps in ((base, 45), (base.replace(resume=None), 60), (base, 60)):
        for seed in (11, 12):
            stage = bench.stage("sd15", scheduler=scheduler, num_inference_steps=steps, size=None, seed=seed)
            deviations.append(float(run_undecoded(engine, stage, inputs("txt2img", given)).latents.tensor.std()) / TAU)
    assert max(deviations) < 1.02, deviations
    assert max(deviations) - min(deviations) < 0.03, deviations


@pytest.mark.parametrize("receiver", ["ve", "vp"])
def test_latents_noisier_than_a_schedule_begins_enter_with_its_variance(bench: Bench, receiver: str) -> None:
    """As EDM's are, whose schedules begin at sigma 80: unscaled they would be five times what Euler begins with."""
    generator = torch.Generator().manual_seed(4)
    clean, noise = (torch.randn(8, 4, 32, 32, generator=generator) for _ in range(2))
    given = Latents(MU + TAU * clean + 80.0 * noise, SPACES["sd"], Noise(80.0, "ve"))
    notes = Notes()
    stage = bench.stage("sd15", scheduler=FORMS[receiver], num_inference_steps=60, size=None, seed=12)
    engine = ENGINES.setdefault(receiver, exact_engine(receiver))
    last = run_undecoded(engine, stage, inputs("txt2img", given), notes)
    assert last.span.start == 0
    scheduler = Side(FORMS[receiver], receiver).build(bench.folder("sd15"))
    scheduler.set_timesteps(60)
    begins = float(scheduler.sigmas[0])
    assert any(f"σ 80 (VE) is noisier than σ {begins:.3g}" in note for note in notes.notes)
    shrunk = math.hypot(1, begins) / math.hypot(1, 80.0)
    entered = Moments(MU * shrunk, shrunk**2 * (TAU**2 + 80.0**2), begins)
    has_moments(last.latents, entered.denoised_to(0.0), "ve")


def entered_at(bench: Bench, form: str, index: int) -> float:
    """Sigma at which a schedule of 45 steps is entered, from the scheduler's own table."""
    side = Side(FORMS[form], form)
    scheduler = side.build(bench.folder("sd15"))
    scheduler.set_timesteps(45)
    return float(scheduler.sigmas[index]) if form == "vp" else sigma_at(scheduler, form, index)


@pytest.mark.parametrize("scheduler", ["EulerAncestralDiscreteScheduler", "DDPMScheduler"])
def test_stochastic_receivers_forget_the_start_and_end_in_the_data(bench: Bench, scheduler: str) -> None:
    base = exactly(bench, "flow", num_inference_steps=60, window=Window(None, 0.5), seed=11)
    engine = ENGINES.setdefault("ve", exact_engine("ve"))
    stage = bench.stage("sd15", scheduler=scheduler, num_inference_steps=250, size=None, seed=5)
    last = run_undecoded(engine, stage, inputs("txt2img", base.latents)).latents.tensor.double()
    assert abs(float(last.mean()) - MU) < 0.03
    assert abs(float(last.std()) / TAU - 1) < 0.03
