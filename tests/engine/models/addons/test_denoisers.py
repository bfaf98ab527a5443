"""Another U-Net or transformer: plain diffusers with the same part, through any window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.result import StageResult
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
        ("sd15", "unet", "<folder>", "add ;subfolder=NAME, or ;weight-name=FILE"),
        ("sd15", "unet", "<folder>;weight-name=../x.gguf", "leaves the model's folder"),
        ("sd15", "unet", "<sd15>;weight-name=model_index.json", "is no weight file"),
        (
            "sd15",
            "unet",
            "<sd15>;subfolder=unet;weight-name=diffusion_pytorch_model.safetensors;dtype=int3",
            "use auto",
        ),
        ("sd15", "unet", "<vae>", "is a AutoencoderKL, and .* has a UNet2DConditionModel"),
        ("sd15", "unet", "<sdxl>", "is of another family .cross_attention_dim 48, and the model has 32"),
        ("sd15", "unet", "x;speed=1", "no setting 'speed'"),
    ],
)
def test_what_does_not_fit_is_refused_before_weights_load(
    family: str, dest: str, name: str, message: str, tiny: Callable[[str], Path]
) -> None:
    known = {"<vae>": f"{tiny('sd15')};subfolder=vae", "<sdxl>": f"{tiny('sdxl')};subfolder=unet"}
    name = (
        known.get(name, name).replace("<folder>", str(tiny("sd15") / "tokenizer")).replace("<sd15>", str(tiny("sd15")))
    )
    with pytest.raises(ModelError, match=message) as caught:
        describe(ModelSource(str(tiny(family)), **{dest: name}))
    assert caught.value.option == dest


def as_diffusers_has_it(bench: Bench, family: str, made: Any, name: Path) -> StageResult:
    """Sees that a stage with another denoiser is plain diffusers with it, and keeps the law; gives the whole run."""
    whole, reference = bench.engine.run(stage(bench, family, name)), plain(bench.folder(family))
    reference.register_modules(**{PARTS[family]: made.eval()})
    generator = torch.Generator().manual_seed(7)
    size = {"num_inference_steps": 10, "width": 64, "height": 64, "output_type": "latent", "guidance_scale": 3.0}
    assert torch.equal(whole.latents.tensor, unpacked(reference(PROMPT, generator=generator, **size).images, family))
    first = bench.engine.run(stage(bench, family, name, window=Window(None, 0.5))).latents
    assert equal(whole, bench.engine.run(stage(bench, family, name, window=Window(0.5)), inputs("txt2img", first)))
    assert not equal(whole, bench.whole(family))
    return whole


def by_diffusers(bench: Bench, family: str, file: Path) -> Any:
    """The denoiser of a GGUF file, as diffusers reads it with a model's configuration."""
    import diffusers

    part, unpacking = PARTS.get(family, "unet"), diffusers.GGUFQuantizationConfig(compute_dtype=torch.float32)
    settings = {"config": str(bench.folder(family)), "subfolder": part, "torch_dtype": torch.float32}
    kind = type(getattr(plain(bench.folder(family)), part))
    return kind.from_single_file(str(file), quantization_config=unpacking, **settings)


@pytest.mark.parametrize("family", PARTS)
def test_a_gguf_file_works_as_in_diffusers_and_keeps_the_law(family: str, bench: Bench) -> None:
    pytest.importorskip("gguf")
    file = tinies.gguf_file(bench.scratch / f"{family}.gguf", getattr(tinies.build(family, 1), PARTS[family]))
    whole = as_diffusers_has_it(bench, family, by_diffusers(bench, family, file), file)
    assert whole.latents.provenance.options[PARTS[family]] == f"{family}.gguf"
    with pytest.raises(ModelError, match=r"fuse-projections .* would not find the weights that .*\.gguf packs"):
        describe(replace(stage(bench, family, file).model, optimize=("fuse-projections",)))
    content = file.read_bytes()
    for broken in (content[: len(content) // 2], b"GGUF" + bytes(200), b""):
        file.write_bytes(broken)
        with pytest.raises(ModelError, match=f"{PARTS[family]} of|no whole GGUF file"):
            ModelCache().load(stage(bench, family, file).model)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_unet_in_rows_of_256_is_read_in_its_own_shape(family: str, bench: Bench) -> None:
    pytest.importorskip("gguf")
    prefix = "model.diffusion_model."
    single = load_file(tinies.single_file(family, bench.scratch / "single.safetensors", seed=1))
    own = {name.removeprefix(prefix): one for name, one in single.items() if name.startswith(prefix)}
    file, rounded = tinies.gguf_rows(bench.scratch / "rows.gguf", own)
    usual = tinies.gguf_file(bench.scratch / "usual.gguf", {prefix + name: one for name, one in rounded.items()})
    made = by_diffusers(bench, family, usual)
    loaded = ModelCache().load(ModelSource(str(bench.folder(family)), unet=str(file))).parts["unet"]
    assert {"GGUFLinear", "Linear"} < {type(one).__name__ for one in loaded.modules()}
    ours, theirs = loaded.state_dict(), made.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], one) for name, one in theirs.items())
    if family == "sd15":
        as_diffusers_has_it(bench, family, made, file)


@pytest.mark.parametrize(
    ("family", "content", "says"),
    [("sd15", "sdxl", "of another family .cross_attention_dim 48, and the model has 32"),
     ("sd15", "flux", "holds no U-Net: its first tensor is"), ("sd15", "", "no whole GGUF file")],
)  # fmt: skip
def test_a_gguf_file_of_another_model_is_refused_before_weights_load(
    family: str, content: str, says: str, bench: Bench
) -> None:
    pytest.importorskip("gguf")
    file = bench.scratch / "other.gguf"
    if content:
        tinies.gguf_file(file, getattr(tinies.build(content, 1), "unet" if content == "sdxl" else "transformer"))
    else:
        file.write_bytes(b"")
    with pytest.raises(ModelError, match=says) as caught:
        describe(ModelSource(str(bench.folder(family)), unet=str(file)))
    assert caught.value.option == "unet"


def test_a_transformer_is_a_safetensors_file_too(bench: Bench) -> None:
    folder = other(bench, "flux")
    (file,) = folder.glob("*.safetensors")
    alone = file.rename(bench.scratch / "alone.safetensors")
    whole = bench.engine.run(stage(bench, "flux", alone))
    assert not equal(whole, bench.whole("flux"))
    assert equal(whole, bench.engine.run(stage(bench, "flux", other(bench, "flux"))))


@pytest.mark.parametrize("name", ["{};weight-name=x.gguf", "https://huggingface.co/{}/resolve/main/x.gguf"])
def test_a_gguf_file_of_the_hub_is_read_from_its_cache_or_said_to_be_absent(
    name: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gguf")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    asked = stage(bench, "flux", Path("-"))
    asked = replace(asked, model=replace(asked.model, transformer=name.format("city96/FLUX.1-dev-gguf"), offline=True))
    with pytest.raises(ModelError, match=r"hf download city96/FLUX\.1-dev-gguf x\.gguf") as caught:
        describe(asked.model)
    assert caught.value.option == "transformer"
    snapshot = tmp_path / "models--city96--FLUX.1-dev-gguf" / "snapshots" / "0"
    (snapshot.parents[1] / "refs").mkdir(parents=True)
    (snapshot.parents[1] / "refs" / "main").write_text("0")
    snapshot.mkdir(parents=True)
    file = tinies.gguf_file(snapshot / "x.gguf", tinies.build("flux", 1).transformer)
    whole = bench.engine.run(asked)
    assert whole.latents.provenance.options["transformer"] == "x.gguf"
    assert equal(whole, bench.engine.run(stage(bench, "flux", file)))


def test_gguf_files_need_their_library(tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ModelError, match=r"GGUF files need gguf, which is not installed: pip install .*\[gguf\]"):
        describe(ModelSource(str(tiny("flux")), transformer="x.gguf"))
