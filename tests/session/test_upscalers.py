"""Latent upscalers between two stages: as diffusers' own calls, and known by their files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from jupyter_latents.errors import JupyterLatentsError
from tests.session.conftest import Desk
from tests.tiny.diffusion import latent_upscaler

pytestmark = pytest.mark.kept_models

BASE = "<sd15> --prompts cat --inference-steps 4 --output-size 64 --seeds 3 --into base"
UP = "<sd15> --prompts cat --inference-steps 4 --seeds 3 --image-seeds 'latents: base' --image-seed-strengths 0.5"


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upscaler")
    latent_upscaler().save_pretrained(folder)
    return folder


def link(folder: Path, more: str = ";steps=3") -> str:
    return f"--latents-processors 'upscaler;model={folder}{more}'"


def plain(folder: Path, clean: torch.Tensor, steps: int, guidance: float) -> torch.Tensor:
    import diffusers

    pipeline = diffusers.StableDiffusionLatentUpscalePipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        "cat", image=clean, num_inference_steps=steps, guidance_scale=guidance, output_type="latent",
        generator=torch.Generator("cpu").manual_seed(3),
    ).images  # fmt: skip


@pytest.mark.parametrize(("more", "guidance"), [(";steps=3", 0.0), (";steps=3;guidance=4", 4.0)])
def test_clean_latents_are_enlarged_as_diffusers_enlarges_them(desk: Desk, upscaler: Path, more: str, guidance: float):
    from jupyter_latents.engine.given.upscalers import upscaler_of
    from jupyter_latents.engine.models.describe import describe

    desk.run(BASE)
    base = desk.session.names["base"]
    (stage,) = (one.stage for one in desk.plan(f"{UP} {link(upscaler, more)}").stages)
    found = upscaler_of(stage.latents_processors[0], stage.model, describe(stage.model))
    vae = latent_upscaler().vae
    assert torch.equal(found.made(base, vae, stage).tensor, plain(upscaler, base.tensor, 3, guidance))
    made = desk.run(f"{UP} {link(upscaler, more)}").results[-1].latents
    assert (made.size, made.is_clean) == ((128, 128), True)


def test_noisy_latents_are_enlarged_at_their_sigma(desk: Desk, upscaler: Path):
    desk.run(f"{BASE} --denoising-end 0.5")
    base = desk.session.names["base"]
    last = f"<sd15> --prompts cat --inference-steps 4 --image-seeds 'latents: base' {link(upscaler)}"
    (planned,) = desk.plan(last).stages
    made = desk.run(last).results[-1].latents
    assert made.size == (128, 128)
    assert (planned.span.start, base.position.step) == (2, 2)


def test_values_that_a_network_is_yet_to_make_are_not_doubted(desk: Desk, upscaler: Path):
    """At the last step, latents of no picture at all would be told of."""
    euler = "--scheduler EulerDiscreteScheduler"
    desk.run(f"{BASE} {euler} --denoising-end 0.75")
    last = f"<sd15> --prompts cat --inference-steps 4 {euler} --image-seeds 'latents: base' {link(upscaler)}"
    (planned,) = desk.plan(last).stages
    assert (planned.span.start, planned.course.warnings) == (3, ())


def test_another_upscaler_under_the_same_name_answers_anew(desk: Desk, upscaler: Path, tmp_path: Path):
    desk.run(BASE)
    folder = Path(shutil.copytree(upscaler, tmp_path / "own"))
    script = f"{UP} {link(folder)}"
    first = desk.run(script)
    assert first.model_evaluations > 0
    assert desk.run(script).model_evaluations == 0
    shutil.rmtree(folder)
    latent_upscaler(5).save_pretrained(folder)
    again = desk.run(script)
    assert again.model_evaluations > 0
    assert not np.array_equal(np.asarray(first.results[-1].latents), np.asarray(again.results[-1].latents))


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("sdxl", "", "enlarges latents of SD space .* works in SDXL space"),
        ("sd15", ";tone=0.5", "tone= is not for upscalers of Stable Diffusion, .* steps, guidance are"),
    ],
)
def test_what_an_upscaler_does_not_fit_is_refused_in_the_plan(
    desk: Desk, upscaler: Path, model: str, more: str, message: str
):
    desk.run(f"<{model}> --prompts cat --inference-steps 1 --output-size 64 --seeds 3 --into base")
    script = f"<{model}> --prompts cat --image-seeds 'latents: base' {link(upscaler, more)}"
    with pytest.raises(JupyterLatentsError, match=message):
        desk.run(script)
