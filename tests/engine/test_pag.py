"""Perturbed attention guidance: as plain diffusers runs it, through any window; the model stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource, Window
from tests import tiny as tinies
from tests.engine.cases import PROMPT, Bench, equal, inputs, mask, picture, plain

SCALES = {"pag_scale": 2.0, "pag_adaptive_scale": 0.001}
CASES = {
    ("sd15", "txt2img"): "StableDiffusionPAGPipeline",
    ("sd15", "img2img"): "StableDiffusionPAGImg2ImgPipeline",
    ("sd15", "inpaint"): "StableDiffusionPAGInpaintPipeline",
    ("sdxl", "txt2img"): "StableDiffusionXLPAGPipeline",
    ("sdxl", "img2img"): "StableDiffusionXLPAGImg2ImgPipeline",
    ("sdxl", "inpaint"): "StableDiffusionXLPAGInpaintPipeline",
    ("kolors", "txt2img"): "KolorsPAGPipeline",
    ("deep-sd3", "txt2img"): "StableDiffusion3PAGPipeline",
    ("deep-sd3", "img2img"): "StableDiffusion3PAGImg2ImgPipeline",
}
QUICK = {("sd15", "txt2img"), ("sdxl", "img2img"), ("deep-sd3", "txt2img")}


def reference(place: Path, mode: str, name: str) -> torch.Tensor:
    """What diffusers makes, called as its documentation shows."""
    given: dict[str, Any] = {} if mode == "txt2img" else {"image": picture(), "strength": 0.7}
    given |= {"mask_image": mask()} if mode == "inpaint" else {}
    given |= {"width": 64, "height": 64} if mode != "img2img" or "3" in name else {}
    made, generator = plain(place, name), torch.Generator().manual_seed(7)
    settings = {"num_inference_steps": 10, "guidance_scale": 3.0, "output_type": "latent", **SCALES}
    latents: torch.Tensor = made(PROMPT, generator=generator, **settings, **given).images
    return latents


@pytest.mark.parametrize(
    ("family", "mode"), [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES]
)
def test_it_works_as_in_diffusers_and_keeps_the_law(family: str, mode: str, bench: Bench) -> None:
    place, strength = bench.folder(family), {} if mode == "txt2img" else {"strength": 0.7}
    model = bench.engine.cache.load(ModelSource(str(place)))
    before = dict(model.parts[model.facts.denoiser].attn_processors)

    def run(window: Window = Window(), *latents: Any, **scales: float) -> Any:  # noqa: B008 - frozen
        made = bench.stage(str(place), window=window, **strength, **scales)
        return bench.engine.run(made, inputs(mode, *latents))

    whole = run(**SCALES)
    assert torch.equal(whole.latents.tensor, reference(place, mode, CASES[family, mode]))
    assert equal(whole, run(Window(0.6), run(Window(None, 0.6), **SCALES).latents, **SCALES))
    assert model.parts[model.facts.denoiser].attn_processors == before, "what it put into the model is taken back"
    assert not equal(whole, run())
    assert whole.latents.provenance.options["pag_scale"] == "2.0"


def test_a_controlnet_goes_with_it(bench: Bench) -> None:
    tinies.controlnet().save_pretrained(bench.scratch / "net")

    def run(window: Window, *latents: Any) -> Any:
        made = bench.stage("sd15", window=window, **SCALES)
        made = replace(made, model=replace(made.model, control_nets=(str(bench.scratch / "net"),)))
        return bench.engine.run(made, Inputs(latents, controls=(picture(),)))

    assert equal(run(Window()), run(Window(0.5), run(Window(None, 0.5)).latents))


@pytest.mark.parametrize(
    ("family", "images", "message"),
    [
        ("flux", 0, r"Flux\.1 runs no txt2img with PAG scale in diffusers; leave PAG scale out"),
        ("kolors", 1, "Kolors runs no img2img with PAG scale in diffusers; it does so for txt2img alone"),
    ],
)
def test_what_has_no_such_pipeline_is_refused_by_name(
    family: str, images: int, message: str, tiny: Callable[[str], Path], bench: Bench
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        prepare(bench.stage(family, pag_scale=3.0), Given(images=((64, 64),) * images))
    assert caught.value.option == "pag_scales"
