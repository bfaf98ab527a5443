"""Schedulers: levels against diffusers' own tables, the clean estimate of an exact model, state given back."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from jupyter_latents.engine.schedule import schedulers, state
from jupyter_latents.engine.schedule.history import objection
from jupyter_latents.engine.schedule.table import BACKWARDS, FORMS
from jupyter_latents.errors import ModelError, ScriptError
from jupyter_latents.latents import CLEAN
from jupyter_latents.latents.facts import Resume
from tests.engine.cases import SCHEDULERS

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
FLOW = "UniPCMultistepScheduler;use_flow_sigmas=true;prediction_type=flow_prediction"


def made(name: str, steps: int = 10, own: str = "PNDMScheduler", **config: Any) -> Any:
    """A scheduler built as a stage builds it, its timesteps set."""
    scheduler = schedulers.build(name, own, {**SD, **config}, seed=3)
    scheduler.set_timesteps(steps)
    return scheduler


def clean() -> torch.Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def noise() -> torch.Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", sorted(set(FORMS) - BACKWARDS - {"IPNDMScheduler"}))
def test_levels_and_forms_are_those_of_add_noise(name: str) -> None:
    """``add_noise`` (or ``scale_noise``) of diffusers mixes signal and noise as the level says, at every step."""
    for step in (0, 1, 4, 7, 9):
        scheduler = made(name)  # a fresh one each time: FlowMatchHeun's own scale_noise keeps the first step's place
        adds = getattr(scheduler, "add_noise", None) or scheduler.scale_noise
        index = step * scheduler.order
        level = schedulers.level(scheduler, index)
        assert level.form == FORMS[name]
        if not math.isfinite(level.sigma):
            continue
        timestep = scheduler.timesteps[index : index + 1]
        order = (clean(), timestep, noise()) if adds.__name__ == "scale_noise" else (clean(), noise(), timestep)
        mixed = adds(*order)
        signal = {"ve": 1.0, "vp": 1 / math.hypot(1, level.sigma), "flow": 1 / (1 + level.sigma)}[level.form]
        expected = signal * (clean() + level.sigma * noise())
        assert torch.allclose(mixed, expected, atol=2e-4 * (1 + signal * level.sigma)), (name, index)


def test_a_scheduler_is_built_once_and_each_run_has_a_copy_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import diffusers

    kind, calls = diffusers.KDPM2DiscreteScheduler, list[dict[str, Any]]()
    own = kind.from_config
    monkeypatch.setattr(kind, "from_config", lambda *given, **more: calls.append(more) or own(*given, **more))
    one, other = (made("KDPM2DiscreteScheduler;beta-end=0.0121") for _ in range(2))
    assert len(calls) == 1, "it takes 0.2 seconds"
    assert dict(one.config) == dict(other.config) == dict(own(one.config).config)
    one.step(clean(), one.timesteps[0], noise())
    assert (one.step_index, other.step_index) == (1, None)
    assert made("KDPM2DiscreteScheduler;beta-end=0.0122").config.beta_end == 0.0122


def test_a_swapped_scheduler_keeps_the_shift_of_the_models_schedule() -> None:
    """Pipelines read it in the scheduler's configuration, whichever class it is."""
    shift = {"base_shift": 0.5, "max_shift": 0.9, "base_image_seq_len": 256, "max_image_seq_len": 8192}
    swapped = schedulers.build(FLOW, "FlowMatchEulerDiscreteScheduler", shift)
    assert shift.items() <= dict(swapped.config).items()


@pytest.mark.parametrize("name", sorted(set(FORMS) - BACKWARDS))
def test_levels_fall_to_clean(name: str) -> None:
    scheduler = made(name)
    steps = range(0, len(scheduler.timesteps) + 1, scheduler.order)
    levels = [schedulers.level(scheduler, index).sigma for index in [*steps, len(scheduler.timesteps)]]
    assert levels == sorted(levels, reverse=True)
    assert schedulers.level(scheduler, len(scheduler.timesteps)) is CLEAN
    assert levels[-1] == 0.0


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("name", sorted(BACKWARDS))
def test_levels_of_inversions_are_those_that_their_steps_reach(name: str, spacing: str) -> None:
    """With the noise itself for what the model predicts, each step has to make the latents of the next level."""
    scheduler = made(f"{name};timestep_spacing={spacing}")
    levels = [schedulers.level(scheduler, index) for index in range(len(scheduler.timesteps) + 1)]
    latents = (clean() + levels[0].sigma * noise()) / math.hypot(1, levels[0].sigma)
    for timestep, level in zip(scheduler.timesteps, levels[1:], strict=True):
        latents = scheduler.step(noise(), timestep, latents).prev_sample
        expected = (clean() + level.sigma * noise()) / math.hypot(1, level.sigma)
        assert torch.allclose(latents, expected, atol=1e-4), (name, level)
    assert levels[-1].sigma > 5


def walked(scheduler: Any, start: int, end: int, latents: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Steps with a cheap made-up model output."""
    import inspect

    draws = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    for timestep in scheduler.timesteps[start:end]:
        scaled = scheduler.scale_model_input(latents, timestep)
        latents = scheduler.step(torch.sin(3 * scaled), timestep, latents, **draws).prev_sample
    return latents


@pytest.mark.parametrize("name", SCHEDULERS)
def test_state_is_all_that_stepping_changes(name: str) -> None:
    """A fresh scheduler with the state of another goes on exactly, and the state outlives its scheduler's own steps."""
    start = noise() * float(made(name).init_noise_sigma)
    whole = walked(made(name), 0, None, start, torch.Generator().manual_seed(5))
    first, generator = made(name), torch.Generator().manual_seed(5)
    baseline = state.baseline(first)
    cut = 4
    half = walked(first, 0, cut, start, generator)
    saved, drawn = state.of(first, baseline), generator.get_state()
    assert saved is not None
    walked(first, cut, None, half, generator)
    second = made(name)
    if hasattr(second, "set_begin_index"):
        second.set_begin_index(cut)
    second.scale_model_input(half, second.timesteps[cut])
    state.restore(second, saved, torch.device("cpu"))
    generator = torch.Generator()
    generator.set_state(drawn)
    assert torch.equal(walked(second, cut, None, half, generator), whole)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_tables_do_not_travel(name: str) -> None:
    scheduler = made(name)
    baseline = state.baseline(scheduler)
    walked(scheduler, 0, 4, noise(), torch.Generator().manual_seed(5))
    saved = state.of(scheduler, baseline)
    assert not {"sigmas", "timesteps", "alphas_cumprod", "betas", "noise_sampler"} & set(saved)


def test_a_table_that_its_run_has_moved_is_kept_by_its_name() -> None:
    """As ``add_noise`` does on an accelerator; what the values round to depends on where they are."""
    scheduler, fresh = made("DDPMScheduler"), made("DDPMScheduler")
    baseline = state.baseline(scheduler)
    scheduler.alphas_cumprod = scheduler.alphas_cumprod.clone()
    walked(scheduler, 0, 4, noise(), torch.Generator().manual_seed(5))
    saved = state.of(scheduler, baseline)
    assert saved[state.MOVED] == ("alphas_cumprod",)
    assert not objection(Resume(saved), fresh, 4)
    for wrong in (("config",), (["alphas_cumprod"],), "alphas_cumprod"):
        assert (
            objection(Resume({**saved, state.MOVED: wrong}), fresh, 4) == "it moves what is no table of the scheduler"
        )
    state.restore(fresh, saved, torch.device("meta"))
    assert fresh.alphas_cumprod.device.type == "meta"
    scheduler.alphas_cumprod = scheduler.alphas_cumprod * 2
    assert "alphas_cumprod" in state.of(scheduler, baseline), "another table is no table that was moved"


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 11},
        {"name": "DDIMScheduler;timestep_spacing=trailing"},
        {"name": "DDIMParallelScheduler"},
        {"beta_end": 0.013},
        {"prediction_type": "v_prediction"},
    ],
    ids=str,
)
def test_the_schedule_digest_tells_schedules_apart(change: dict[str, Any]) -> None:
    own = {"name": "DDIMScheduler", "steps": 10}
    assert schedulers.schedule_digest(made(**own)) == schedulers.schedule_digest(made(**own))
    assert schedulers.schedule_digest(made(**{**own, **change})) != schedulers.schedule_digest(made(**own))


def test_a_seed_is_no_part_of_the_schedule() -> None:
    pair = [schedulers.build("DPMSolverSDEScheduler", "PNDMScheduler", SD, seed=seed) for seed in (1, 2)]
    for scheduler in pair:
        scheduler.set_timesteps(10)
    assert schedulers.schedule_digest(pair[0]) == schedulers.schedule_digest(pair[1])


def test_a_scheduler_for_latents_never_clips() -> None:
    """A DDIM made from an Euler config gets ``clip_sample=True`` from diffusers, wrong for latents."""
    assert made("DDIMScheduler", own="EulerDiscreteScheduler").config.clip_sample is False
    assert made("DDPMScheduler", own="EulerDiscreteScheduler").config.clip_sample is False
    assert made("CMStochasticIterativeScheduler", own="EulerDiscreteScheduler").config.clip_denoised is False


def test_settings_of_the_model_carry_over_and_arguments_override_them() -> None:
    scheduler = made(
        "DPMSolverMultistepScheduler;use_karras_sigmas=true;solver-order=3", prediction_type="v_prediction"
    )
    assert scheduler.config.use_karras_sigmas is True
    assert scheduler.config.solver_order == 3
    assert scheduler.config.prediction_type == "v_prediction"
    assert scheduler.config.beta_end == 0.012


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("EulrDiscreteScheduler", "did you mean EulerDiscreteScheduler"),
        ("AutoencoderKL", "no scheduler 'AutoencoderKL'"),
        ("DDIMScheduler;eta=0.5", "DDIMScheduler has no setting 'eta'"),
    ],
)
def test_an_unknown_scheduler_or_setting_is_named(name: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        schedulers.build(name, "PNDMScheduler", SD)


def test_settings_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(ModelError, match="cannot be made with these settings"):
        schedulers.build(
            "EulerDiscreteScheduler;use_karras_sigmas=true;use_beta_sigmas=true", "EulerDiscreteScheduler", SD
        )


def test_levels_follow_the_schedule_that_is_set_and_are_read_once() -> None:
    """On an accelerator each number read from a table waits for all that runs there."""
    scheduler = schedulers.build("EulerDiscreteScheduler", "DDIMScheduler", {})
    scheduler.set_timesteps(10)
    ten = [schedulers.level(scheduler, index) for index in range(11)]
    assert all(schedulers.level(scheduler, index) is ten[index] for index in range(11))
    scheduler.set_timesteps(5)
    assert [schedulers.level(scheduler, index).sigma for index in range(5)] == scheduler.sigmas[:-1].tolist()
    assert schedulers.level(scheduler, 5).is_clean


# Libraries that few schedulers need.


@pytest.mark.parametrize(
    ("name", "library"),
    [("LMSDiscreteScheduler;use-karras-sigmas=true", "scipy"), ("DPMSolverSDEScheduler", "torchsde")],
)
def test_a_scheduler_whose_library_is_not_installed_says_which(
    name: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import diffusers
    from diffusers.utils import dummy_torch_and_scipy_objects, dummy_torch_and_torchsde_objects

    stand_ins = {"scipy": dummy_torch_and_scipy_objects, "torchsde": dummy_torch_and_torchsde_objects}
    plain = name.partition(";")[0]
    monkeypatch.setattr(diffusers, plain, getattr(stand_ins[library], plain))
    monkeypatch.setattr(schedulers, "find_spec", lambda name: None if name == library else name)
    with pytest.raises(ModelError, match=rf"needs {library}, not installed here: pip install .*\[samplers\]"):
        made(name)


def test_beta_sigmas_without_scipy_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffusers.schedulers.scheduling_euler_discrete.is_scipy_available", lambda: False)
    with pytest.raises(ModelError, match="with beta sigmas needs scipy"):
        made("EulerDiscreteScheduler;use-beta-sigmas=true")
