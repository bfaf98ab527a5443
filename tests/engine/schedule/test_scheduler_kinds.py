"""A scheduler's setting of the wrong kind is refused: diffusers takes any text for a switch that is on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.schedule.schedulers import build
from jupyter_latents.errors import ModelError
from tests.engine.cases import SCHEDULERS, Bench
from tests.engine.schedule.known import SD
from tests.engine.schedule.test_limits import in_a_folder, refused


@pytest.mark.parametrize(
    ("scheduler", "told"),
    [
        ("DDIMScheduler;clip-sample=off", "clip_sample 'off'; it is true or false"),
        ("DDIMScheduler;clip-sample=flase", "clip_sample 'flase'"),
        ("DDIMScheduler;clip-sample=2", "clip_sample 2; it is true or false"),
        ("EulerDiscreteScheduler;use-karras-sigmas=no", "use_karras_sigmas 'no'"),
        ("DPMSolverMultistepScheduler;lower-order-final=maybe", "lower_order_final 'maybe'"),
        ("DDIMScheduler;dynamic-thresholding-ratio=much", "dynamic_thresholding_ratio 'much'; it is a number"),
        ("DDIMScheduler;sample-max-value=NaN", "sample_max_value nan; it is a number"),
        ("DDIMScheduler;sample-max-value=true", "sample_max_value True; it is a number"),
        ("EulerDiscreteScheduler;timestep-type=soon", "timestep_type 'soon'; it is one of discrete, continuous"),
        ("DDPMScheduler;variance-type=small", "variance_type 'small'; it is one of fixed_small,"),
        ("DPMSolverMultistepScheduler;variance-type=small", "variance_type 'small'; it is one of learned,"),
    ],
)
def test_a_setting_of_another_kind_is_refused(bench: Bench, scheduler: str, told: str) -> None:
    error = refused(bench, scheduler=scheduler)
    assert told in error.message
    assert error.option == "schedulers"


def test_a_switch_in_quotes_in_a_models_folder_is_refused(bench: Bench, tmp_path: Path) -> None:
    settings = {**SD, "_class_name": "PNDMScheduler", "clip_sample": "false"}
    with pytest.raises(ModelError, match=r"scheduler_config.json of the model says clip_sample 'false'"):
        prepare(in_a_folder(bench, json.dumps(settings), tmp_path / "model"))


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("0", 0), ("1", 1)])
def test_a_switch_is_read_as_it_is_written(text: str, value: bool) -> None:
    assert bool(build(f"DDIMScheduler;clip-sample={text}", "DDIMScheduler", SD).config.clip_sample) is bool(value)


@pytest.mark.parametrize("name", sorted(SCHEDULERS))
def test_the_usual_settings_of_each_scheduler_pass(name: str) -> None:
    usual: dict[str, Any] = dict(build(name, name.partition(";")[0], {}).config)
    build(name, name.partition(";")[0], usual)


def test_a_bound_that_is_infinite_by_itself_may_be_said() -> None:
    made = build("DPMSolverMultistepScheduler;lambda-min-clipped=-Infinity", "DDIMScheduler", SD)
    assert made.config.lambda_min_clipped == -math.inf
