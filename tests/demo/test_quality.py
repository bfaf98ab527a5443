"""The embedded demo models do what they claim: measured on generated pictures, not on the training loss.

What takes minutes is measured when it can tell something new: where the weights, the drawings or the measurement are
not those of ``measured.json`` (see ``measured.py``), and on demand with ``make test PYTEST_ARGS='-m slow'``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DiffusionPipeline

from jupyter_latents.demo import MODELS, path
from jupyter_latents.demo.training.data import scenes, tensor
from jupyter_latents.demo.training.scenes import STYLES, draw
from tests.demo.classifier import Classifier, Drawings, accuracy, drawings, labels, train_anew, trained
from tests.demo.measured import long_measurement
from tests.demo.prompts import prompts

SHARED = ("vae", "text_encoder", "tokenizer")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return trained()


@pytest.fixture(scope="module", params=MODELS)
def pipeline(request: pytest.FixtureRequest) -> DiffusionPipeline:
    loaded = DiffusionPipeline.from_pretrained(path(request.param), torch_dtype=torch.float32, local_files_only=True)
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.fixture(scope="module", params=["demo/scenes", "demo/flow"])
def vae(request: pytest.FixtureRequest) -> AutoencoderKL:
    """The VAEs; that of `demo/paper` is the scenes', as a test below says."""
    return AutoencoderKL.from_pretrained(path(request.param) / "vae", torch_dtype=torch.float32, local_files_only=True)


def generate(pipeline: DiffusionPipeline, said: list[str], seed: int) -> torch.Tensor:
    """Pictures (count, 3, 128, 128) from -1 to 1: 20 steps, guidance 4, a seed a picture."""
    found = []
    for start in range(0, len(said), 25):
        part = said[start : start + 25]
        generators = [torch.Generator().manual_seed(seed + start + number) for number in range(len(part))]
        made = pipeline(part, num_inference_steps=20, guidance_scale=4.0, generator=generators, output_type="np").images
        found.append(torch.from_numpy(made).permute(0, 3, 1, 2) * 2 - 1)
    return torch.cat(found)


@long_measurement
def test_classifier_knows_held_out_drawings(classifier: Classifier) -> None:
    time, land = accuracy(classifier, drawings(400, seed=2))
    print(f"drawings: time {time:.1%}, land {land:.1%}")
    assert time >= 0.97
    assert land >= 0.97


@pytest.mark.slow
def test_a_classifier_trained_anew_knows_them_too() -> None:
    """The one of the file came from these drawings by this training."""
    assert min(accuracy(train_anew(), drawings(400, seed=2))) >= 0.97


@long_measurement
def test_generated_pictures_follow_their_prompts(pipeline: DiffusionPipeline, classifier: Classifier) -> None:
    chosen, said = prompts(100, seed=11)
    pictures = generate(pipeline, said, seed=100)
    time, land = accuracy(classifier, Drawings(pictures, *labels(chosen)))
    print(f"{pipeline.config._name_or_path}: time {time:.1%}, land {land:.1%}")
    assert pictures.shape == (100, 3, 128, 128)
    assert time >= 0.90
    assert land >= 0.90


@long_measurement
@pytest.mark.parametrize("prompt", ["a red bicycle", "🚲 ≠ ☂", "", "mountains " * 60])
def test_prompts_outside_the_grammar_still_give_pictures(pipeline: DiffusionPipeline, prompt: str) -> None:
    picture = generate(pipeline, [prompt], seed=3)
    assert torch.isfinite(picture).all()
    assert picture.abs().max() <= 1
    assert picture.std() > 0.05


@long_measurement
@torch.no_grad()
def test_vae_reconstructs_held_out_drawings_within_two_percent(vae: AutoencoderKL) -> None:
    errors = []
    for style in STYLES:
        parts = tensor(np.stack([draw(scene, style) for scene in scenes(60, seed=500)])).split(10)
        decoded = [vae.decode(vae.encode(part).latent_dist.mean).sample.clamp(-1, 1) for part in parts]
        errors.append(float((torch.cat(decoded) - torch.cat(parts)).abs().mean() / 2))
        print(f"{style}: mean reconstruction error {errors[-1]:.2%} of the range")
    assert np.mean(errors) < 0.02


@long_measurement
@torch.no_grad()
def test_latents_have_unit_deviation(vae: AutoencoderKL) -> None:
    drawn = tensor(np.stack([draw(scene, style) for style in STYLES for scene in scenes(60, seed=501)]))
    encoded = torch.cat([vae.encode(part).latent_dist.mean for part in drawn.split(10)])
    latents = (encoded - (vae.config.shift_factor or 0)) * vae.config.scaling_factor
    assert float(latents.std()) == pytest.approx(1, abs=0.05)


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_scenes_and_paper_share_all_but_the_denoiser() -> None:
    scenes_files, paper_files = (files(path(f"demo/{name}")) for name in STYLES)
    assert scenes_files.keys() == paper_files.keys()
    for name in scenes_files:
        if name.split("/")[0] in SHARED:
            assert scenes_files[name] == paper_files[name], name
    assert scenes_files["unet/config.json"] == paper_files["unet/config.json"]


def test_no_configuration_names_the_machine_it_was_made_on() -> None:
    for name in MODELS:
        for file in path(name).rglob("*.json"):
            assert '"_name_or_path"' not in file.read_text("utf-8"), file


def test_a_plain_load_gives_one_dtype() -> None:
    for name in MODELS:
        loaded = DiffusionPipeline.from_pretrained(path(name), local_files_only=True)
        assert {part.dtype for part in loaded.components.values() if isinstance(part, torch.nn.Module)} == {
            torch.float32
        }


def test_the_models_stay_under_40_megabytes() -> None:
    assert sum(len(content) for name in MODELS for content in files(path(name)).values()) < 40e6
