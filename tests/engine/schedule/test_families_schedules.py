"""The schedule that `prepare()` foresees is the one that diffusers' own pipeline of the family sets."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine import schedule_of
from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Size, Stage, Window
from tests.engine.cases import PROMPT, Bench, picture, plain
from tests.engine.test_clips import stage_of
from tests.tables.steered_files import files_in

FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
STEPS = 3
SMALL: dict[str, Any] = {"num_inference_steps": STEPS, "size": Size(96, 64)}  # as many tokens as no model has channels
GIVEN = (1.0, 0.6, 0.2)


def named(scheduler: str, settings: dict[str, Any]) -> str:
    """The scheduler as a script names it."""
    return ";".join((scheduler, *(f"{key}={value}".lower() for key, value in settings.items())))


def own(pipeline: Any, scheduler: str | None = None, settings: dict[str, Any] | None = None, **options: Any) -> Any:
    """The scheduler of a plain pipeline after a call."""
    import diffusers

    if scheduler is not None:
        kind = getattr(diffusers, scheduler)
        pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **(settings or {}))
    sides = {"width": 96, "height": 64, "num_inference_steps": STEPS, **options}
    pipeline(prompt=PROMPT, output_type="latent", generator=torch.Generator().manual_seed(7), **sides)
    return pipeline.scheduler


def same(stage: Stage, scheduler: Any, given: Given | None = None) -> bool:
    """Whether a stage is to have the timesteps and sigmas of a scheduler."""
    foreseen = prepare(stage, given or Given()).scheduler
    pairs = ((foreseen.timesteps, scheduler.timesteps), (foreseen.sigmas, scheduler.sigmas))
    return all(len(one) > STEPS - 1 and torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    ("family", "scheduler", "settings"),
    [
        ("flux2", "DEISMultistepScheduler", FLOW),  # it takes no sigmas, and Flux.2 then passes none
        ("lumina2", "FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True}),
        ("sd3", "FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True}),
    ],
)
def test_a_family_passes_what_its_scheduler_takes(
    bench: Bench, family: str, scheduler: str, settings: dict[str, Any]
) -> None:
    expected = own(plain(bench.folder(family)), scheduler, settings)
    assert same(bench.stage(family, **SMALL, scheduler=named(scheduler, settings)), expected)


@pytest.mark.parametrize("family", ["z-image", "hunyuan-video"])
def test_sigmas_of_ones_own_take_the_place_of_the_familys(bench: Bench, family: str) -> None:
    frames = {"num_frames": 5} if family == "hunyuan-video" else {}
    expected = own(plain(bench.folder(family)), sigmas=list(GIVEN), **frames)
    assert same(bench.stage(family, **SMALL, sigmas=GIVEN, **frames), expected)


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_a_shift_that_the_model_does_not_say_is_the_pipelines(bench: Bench, tmp_path: Path, family: str) -> None:
    """``scheduler_config.json`` of another class holds no base_shift and no max_shift."""
    import diffusers

    folder, name, index = tmp_path / family, "UniPCMultistepScheduler", "model_index.json"
    shutil.copytree(bench.folder(family), folder, copy_function=os.link, ignore=shutil.ignore_patterns("sched*", index))
    parts = json.loads((bench.folder(family) / index).read_text())
    (folder / index).write_text(json.dumps({**parts, "scheduler": ["diffusers", name]}))
    getattr(diffusers, name)(**FLOW, use_dynamic_shifting=True).save_pretrained(folder / "scheduler")
    assert same(bench.stage(str(folder), **SMALL), own(plain(folder)))


def test_a_clip_is_as_long_as_its_latents_for_its_shift(bench: Bench) -> None:
    given = prepare(stage_of(bench, "ltx", num_frames=17, window=Window(None, 0.5), **SMALL)).outline
    expected = own(plain(bench.folder("ltx")), num_frames=17)
    assert same(stage_of(bench, "ltx", num_frames=None, **SMALL), expected, Given((given,)))


def test_a_controlnet_of_flux_passes_sigmas_to_flow_sigmas_too(bench: Bench) -> None:
    import diffusers

    net = files_in(bench.scratch / "steered", "flux").net
    parts = {**plain(bench.folder("flux")).components, "controlnet": diffusers.FluxControlNetModel.from_pretrained(net)}
    pipeline = diffusers.FluxControlNetPipeline(**{name: part for name, part in parts.items() if part is not None})
    pipeline.set_progress_bar_config(disable=True)
    stage = bench.stage("flux", **SMALL, scheduler=named("UniPCMultistepScheduler", FLOW))
    stage = replace(stage, model=replace(stage.model, control_nets=(net,)))
    expected = own(pipeline, "UniPCMultistepScheduler", FLOW, control_image=picture().resize((96, 64)))
    assert same(stage, expected, Given(controls=1))


def test_flow_schedules_have_any_number_of_steps(bench: Bench) -> None:
    """Their timesteps are rounded to whole numbers, of which there are a thousand."""
    import diffusers

    config = plain(bench.folder("sd3")).scheduler.config
    expected = diffusers.UniPCMultistepScheduler.from_config(config, **FLOW)
    expected.set_timesteps(1200)
    stage = bench.stage("sd3", num_inference_steps=1200, scheduler=named("UniPCMultistepScheduler", FLOW))
    assert same(stage, expected)
    assert len(expected.timesteps.unique()) < 1200


def test_a_schedule_that_no_run_can_have_is_not_shown(bench: Bench) -> None:
    stage = bench.stage("flux", scheduler="DDIMScheduler")
    for ask in (prepare, schedule_of):
        with pytest.raises(ModelError, match="passes sigmas of its own, and DDIMScheduler takes none"):
            ask(stage)
