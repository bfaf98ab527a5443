"""Another U-Net or transformer: plain diffusers with the same part, through any window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource, Stage, Window
from tests import tiny as tinies
from tests.engine.cases import PROMPT, Bench, equal, inputs, plain
from tests.engine.test_plain_diffusers import unpacked

PARTS = {"sd15": "unet", "flux": "transformer"}


def other(bench: Bench, family: str) -> Path:
    """The part of a model with other weights."""
    folder = bench.scratch / f"{family}-part"
    getattr(tinies.build(family, 1), PARTS[family]).save_pretrained(folder)
    return folder


def stage(bench: Bench, family: str, name: Path, **options: Any) -> Stage:
    made = bench.stage(family, **options)
    return replace(made, model=replace(made.model, **{PARTS[family]: str(name)}))


@pytest.mark.parametrize("family", PARTS)
def test_it_works_as_in_diffusers_and_keeps_the_law(family: str, bench: Bench) -> None:
    part = other(bench, family)
    whole = bench.engine.run(stage(bench, family, part))
    made = plain(bench.folder(family))
    own = getattr(made, PARTS[family])
    made.register_modules(**{PARTS[family]: type(own).from_pretrained(part).eval()})
    generator = torch.Generator().manual_seed(7)
    size = {"num_inference_steps": 10, "width": 64, "height": 64, "output_type": "latent", "guidance_scale": 3.0}
    assert torch.equal(whole.latents.tensor, unpacked(made(PROMPT, generator=generator, **size).images, family))
    first = bench.engine.run(stage(bench, family, part, window=Window(None, 0.5))).latents
    assert equal(whole, bench.engine.run(stage(bench, family, part, window=Window(0.5)), inputs("txt2img", first)))
    assert not equal(whole, bench.whole(family))
    assert whole.latents.provenance.options[PARTS[family]] == part.name


def test_all_but_it_is_shared_and_given_back(bench: Bench) -> None:
    cache, source = ModelCache(), stage(bench, "sd15", other(bench, "sd15")).model
    cache.load(replace(source, unet=None))
    before = set(cache.parts)
    cache.load(source)
    assert [cache.parts[key].name for key in set(cache.parts) - before] == ["unet"]
    cache.unload()
    assert not cache.parts


@pytest.mark.parametrize(
    ("family", "dest", "name", "message"),
    [
        ("sd15", "transformer", "x", "has no transformer; it has a unet"),
        ("flux", "transformer", "x.gguf", "GGUF files .*are not read yet; give a diffusers folder"),
        ("sd15", "unet", "<vae>", "is a AutoencoderKL, and .* has a UNet2DConditionModel"),
        ("sd15", "unet", "<sdxl>", "is of another family .cross_attention_dim 48, and the model has 32"),
        ("sd15", "unet", "x;speed=1", "no setting 'speed'"),
    ],
)
def test_what_does_not_fit_is_refused_before_weights_load(
    family: str, dest: str, name: str, message: str, tiny: Callable[[str], Path]
) -> None:
    known = {"<vae>": f"{tiny('sd15')};subfolder=vae", "<sdxl>": f"{tiny('sdxl')};subfolder=unet"}
    with pytest.raises(ModelError, match=message) as caught:
        describe(ModelSource(str(tiny(family)), **{dest: known.get(name, name)}))
    assert caught.value.option == dest
