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
        ("sd15", "unet", "x.gguf", "GGUF files are read for .*transformer.* alone; give a diffusers folder"),
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


def test_a_gguf_file_works_as_in_diffusers_and_keeps_the_law(bench: Bench) -> None:
    pytest.importorskip("gguf")
    import diffusers

    made = tinies.build("flux", 1).transformer
    file = tinies.gguf_file(bench.scratch / "flux.gguf", made)
    whole = bench.engine.run(stage(bench, "flux", file))
    reference = plain(bench.folder("flux"))
    unpacking = diffusers.GGUFQuantizationConfig(compute_dtype=torch.float32)
    settings = {"config": str(bench.folder("flux")), "subfolder": "transformer", "torch_dtype": torch.float32}
    other_one = type(made).from_single_file(str(file), quantization_config=unpacking, **settings)
    reference.register_modules(transformer=other_one.eval())
    generator = torch.Generator().manual_seed(7)
    size = {"num_inference_steps": 10, "width": 64, "height": 64, "output_type": "latent", "guidance_scale": 3.0}
    assert torch.equal(whole.latents.tensor, unpacked(reference(PROMPT, generator=generator, **size).images, "flux"))
    first = bench.engine.run(stage(bench, "flux", file, window=Window(None, 0.5))).latents
    assert equal(whole, bench.engine.run(stage(bench, "flux", file, window=Window(0.5)), inputs("txt2img", first)))
    assert not equal(whole, bench.whole("flux"))
    assert whole.latents.provenance.options["transformer"] == "flux.gguf"
    content = file.read_bytes()
    for broken in (content[: len(content) // 2], b"GGUF" + bytes(200), b""):
        file.write_bytes(broken)
        with pytest.raises(ModelError, match="transformer of"):
            ModelCache().load(stage(bench, "flux", file).model)


def test_a_transformer_is_a_safetensors_file_too(bench: Bench) -> None:
    folder = other(bench, "flux")
    (file,) = folder.glob("*.safetensors")
    alone = file.rename(bench.scratch / "alone.safetensors")
    whole = bench.engine.run(stage(bench, "flux", alone))
    assert not equal(whole, bench.whole("flux"))
    assert equal(whole, bench.engine.run(stage(bench, "flux", other(bench, "flux"))))


def test_gguf_files_need_their_library(tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ModelError, match=r"GGUF files need gguf, which is not installed: pip install .*\[gguf\]"):
        describe(ModelSource(str(tiny("flux")), transformer="x.gguf"))
