"""LoRAs on models with two experts: each on the one that it names, as diffusers puts them there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Stage, Window
from tests.engine.cases import PROMPT, Bench, through_file
from tests.engine.test_clips import FRAMES, stage_of
from tests.tiny import build
from tests.tiny.diffusion import lora

STEPS = 4


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A LoRA for each expert."""
    pytest.importorskip("peft")
    folder, denoiser = tmp_path_factory.mktemp("loras"), build("wan22").transformer
    return {
        name: lora(folder / f"{name}.safetensors", seed, denoiser=denoiser, part="transformer")
        for seed, name in enumerate(("high", "low"))
    }


def stage(bench: Bench, *loras: str, **options: Any) -> Stage:
    made = stage_of(bench, "wan22", num_inference_steps=STEPS, **options)
    return replace(made, model=replace(made.model, loras=loras))


def plain(bench: Bench, files: dict[str, Path], scales: dict[str, float]) -> torch.Tensor:
    """Diffusers' own run, each file loaded into its expert."""
    import diffusers

    pipeline = diffusers.DiffusionPipeline.from_pretrained(bench.folder("wan22"))
    pipeline.set_progress_bar_config(disable=True)
    for name, scale in scales.items():
        pipeline.load_lora_weights(
            str(files[name].parent), weight_name=files[name].name, adapter_name=name,
            load_into_transformer_2=name == "low",
        )  # fmt: skip
        expert = pipeline.transformer_2 if name == "low" else pipeline.transformer
        expert.set_adapters([name], [scale])
    return pipeline(
        PROMPT, height=32, width=32, num_frames=FRAMES, num_inference_steps=STEPS, guidance_scale=3.0,
        generator=torch.Generator("cpu").manual_seed(7), output_type="latent",
    ).frames  # fmt: skip


def test_each_lora_is_put_on_the_expert_that_it_names(bench: Bench, files: dict[str, Path]):
    """Whole and split across the experts, with one of them and with both."""
    without = bench.engine.run(stage(bench)).latents.tensor
    both = (f"{files['high']};expert=high;scale=0.8", f"{files['low']};expert=low;scale=0.5")
    for loras, scales in ((both[:1], {"high": 0.8}), (both[1:], {"low": 0.5}), (both, {"high": 0.8, "low": 0.5})):
        expected = plain(bench, files, scales)
        assert torch.equal(bench.engine.run(stage(bench, *loras)).latents.tensor, expected), scales
        assert not torch.equal(expected, without)
    first = bench.engine.run(stage(bench, *both, window=Window(None, 0.25))).latents
    last = bench.engine.run(stage(bench, *both), Inputs((through_file(first, bench.scratch),))).latents
    assert torch.equal(last.tensor, expected)


def test_a_lora_of_an_expert_may_work_for_a_part_of_its_steps(bench: Bench, files: dict[str, Path]):
    """As a window it is two stages that one could have written by hand."""
    part = f"{files['low']};expert=low;start=0.75"
    made = bench.engine.run(stage(bench, part)).latents.tensor
    first = bench.engine.run(stage(bench, window=Window(None, 0.75))).latents
    last = bench.engine.run(stage(bench, f"{files['low']};expert=low"), Inputs((first,))).latents.tensor
    assert torch.equal(made, last)


def test_a_lora_says_its_expert(bench: Bench, files: dict[str, Path]):
    name = files["high"]
    for text in ("", ";expert=middle"):
        with pytest.raises(ModelError, match=r"the two experts of .*Give .*expert=high or .*expert=low") as caught:
            prepare(stage(bench, f"{name}{text}"))
        assert caught.value.option == "loras"
    single = stage_of(bench, "wan21")
    with pytest.raises(ModelError, match=r"expert=low of .* is for models with two experts"):
        prepare(replace(single, model=replace(single.model, loras=(f"{name};expert=low",))))
    digests = {describe(stage(bench, f"{name};expert={one}").model).digest for one in ("high", "low")}
    assert len({*digests, describe(stage(bench).model).digest}) == 3


def test_a_lora_of_an_expert_that_runs_no_step_is_told(bench: Bench, files: dict[str, Path]):
    low, high, begin = f"{files['low']};expert=low", f"{files['high']};expert=high", Window(None, 0.25)
    for made, told in ((stage(bench, low, window=begin), True), (stage(bench, low), False),
                       (stage(bench, high, window=begin), False)):  # fmt: skip
        assert told is any("low noise levels runs no step" in note for note in prepare(made).notes)
