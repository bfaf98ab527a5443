"""Models load as the stage asks, parts are held once, and what is not in use leaves when room is needed."""

from __future__ import annotations

import importlib.util
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.hooks import HookRegistry

from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.models.cache import LoadedModel, ModelCache
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.models.readers import assemble
from jupyter_latents.engine.observer import Reading, Silent
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import ModelError
from jupyter_latents.settings import Settings
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage
from tests import tiny as tinies
from tests.engine.cases import inputs

SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
PARTS = ("vae", "text_encoder", "unet")
Folders = Callable[[str], Path]


def source(path: Path | str, **options: Any) -> ModelSource:
    return ModelSource(str(path), **options)


def stage(model: ModelSource) -> Stage:
    return Stage(model=model, prompt=Prompt("a red cat"), seed=1, num_inference_steps=2, size=Size(64, 64))


def weights(model: LoadedModel, part: str = "unet") -> dict[str, torch.Tensor]:
    return dict(model.parts[part].state_dict())


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def gradients(part: torch.nn.Module) -> dict[str, bool]:
    return {name: parameter.requires_grad for name, parameter in part.named_parameters()}


def refusal(model: ModelSource) -> str:
    with pytest.raises(ModelError) as caught:
        ModelCache().load(model)
    return caught.value.message


# Loading.


@pytest.mark.parametrize("name", ["sd15", "sdxl-refiner", "kolors", "sd3", "flux2"])
def test_parts_are_those_that_diffusers_loads(name: str, tiny: Folders) -> None:
    from diffusers import DiffusionPipeline

    model = ModelCache().load(source(tiny(name)))
    plain = DiffusionPipeline.from_pretrained(tiny(name), dtype=torch.float32, local_files_only=True)
    for part, value in plain.components.items():
        if isinstance(value, torch.nn.Module):
            assert same(weights(model, part), dict(value.state_dict())), part
            assert not model.parts[part].training
            assert gradients(model.parts[part]) == gradients(value), "torch.matmul's last bits hang on it"
        elif part != "scheduler" and value is not None:
            assert type(model.parts[part]) is type(value)


def test_loading_tells_each_part_and_how_much_of_all_is_read(tiny: Folders) -> None:
    told: list[Reading] = []
    cache = ModelCache()
    cache.load(source(tiny("sd15")), told.append)
    files = {name: sum(path.stat().st_size for path in tiny("sd15").glob(f"{name}/*.safetensors")) for name in PARTS}
    whole = sum(files.values())
    read = 0
    for reading in told:
        (name,) = reading.parts
        assert name in (*PARTS, "tokenizer")
        size = files.get(name, 0)
        assert reading == Reading(str(tiny("sd15")), (name,), (), size, read, whole)
        read += size
    assert read == whole > 0
    cache.load(source(tiny("sd15")), told.append)
    assert len(told) == 4, "what is held is not read again"


def test_a_single_file_counts_once_in_what_is_read(tiny: Folders, tmp_path: Path) -> None:
    path = tinies.single_file("sd15", tmp_path / "mine.safetensors")
    shutil.copytree(tiny("sd15"), tmp_path / "mine", ignore=shutil.ignore_patterns("*.safetensors"))
    told: list[Reading] = []
    ModelCache().load(source(path), told.append)
    size = path.stat().st_size
    assert [reading.size for reading in told if reading.size] == [size]
    assert {reading.whole for reading in told} == {size}


@pytest.mark.parametrize("dtype", ["auto", "float32", "float16", "bfloat16"])
def test_dtype_is_as_asked_for_in_every_part(dtype: str, tiny: Folders) -> None:
    model = ModelCache().load(source(tiny("sd3"), dtype=dtype))
    expected = torch.float32 if dtype == "auto" else getattr(torch, dtype)
    assert model.dtype == expected
    modules = [part for part in model.parts.values() if isinstance(part, torch.nn.Module)]
    named = [pair for part in modules for pair in part.named_parameters()]
    # transformers keeps T5's ``wo`` in float32 where the rest is float16, as that overflows.
    assert {tensor.dtype for name, tensor in named if not name.endswith("wo.weight")} == {expected}


def test_published_name_loads_offline_with_its_variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tinies.hub_cache(tmp_path, {SD15: tinies.PUBLISHED[SD15]})))
    cache = ModelCache()
    plain, half = cache.load(source(SD15)), cache.load(source(SD15, variant="fp16"))
    assert plain.parts["unet"] is not half.parts["unet"]
    assert not same(weights(plain), weights(half))
    assert same({key: value.half().float() for key, value in weights(plain).items()}, weights(half))


def test_sharded_folder_holds_the_same_weights(tiny: Folders, tmp_path: Path) -> None:
    sharded = tinies.save_folder("sd15", tmp_path, max_shard_size="100KB")
    cache = ModelCache()
    assert same(weights(cache.load(source(sharded))), weights(cache.load(source(tiny("sd15")))))


@pytest.mark.parametrize(("name", "suffix"), [("sd15", "safetensors"), ("sd15", "ckpt"), ("sd3", "safetensors")])
def test_single_file_holds_the_same_weights(name: str, suffix: str, tiny: Folders, tmp_path: Path) -> None:
    path = tinies.single_file(name, tmp_path / "mine.safetensors")
    if suffix == "ckpt":
        from safetensors.torch import load_file

        torch.save({"state_dict": load_file(path)}, tmp_path / "mine.ckpt")
        path = tmp_path / "mine.ckpt"
    shutil.copytree(tiny(name), tmp_path / "mine", ignore=shutil.ignore_patterns("*.safetensors"))
    cache = ModelCache()
    folder, single = cache.load(source(tiny(name))), cache.load(source(path))
    for part in folder.parts:
        if isinstance(folder.parts[part], torch.nn.Module):
            assert same(weights(folder, part), weights(single, part)), part
            assert not single.parts[part].training
        else:
            assert folder.parts[part] is single.parts[part]
    loads = cache.loads
    cache.load(source(path))
    assert cache.loads == loads


def test_single_file_of_a_part_of_a_model_takes_the_rest_from_the_folder(tiny: Folders, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    whole = load_file(tinies.single_file("sd3", tmp_path / "whole.safetensors"))
    save_file({name: value for name, value in whole.items() if "t5xxl" not in name}, str(tmp_path / "mine.safetensors"))
    shutil.copytree(tiny("sd3"), tmp_path / "mine")
    cache = ModelCache()
    model, folder = cache.load(source(tmp_path / "mine.safetensors")), cache.load(source(tiny("sd3")))
    shared = {name for name in folder.parts if folder.parts[name] is model.parts[name]}
    assert shared == {"text_encoder_3", "tokenizer", "tokenizer_2", "tokenizer_3"}
    assert same(weights(model, "transformer"), weights(folder, "transformer"))
    shutil.rmtree(tmp_path / "mine" / "text_encoder_3")
    assert "holds only part of a model" in refusal(source(tmp_path / "mine.safetensors"))


def test_library_that_a_part_needs_is_named(tiny: Folders, tmp_path: Path) -> None:
    if importlib.util.find_spec("torchvision"):
        pytest.skip("torchvision is installed")
    folder = Path(shutil.copytree(tiny("flux2"), tmp_path / "model"))
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "tokenizer": ["transformers", "PixtralProcessor"]}))
    message = refusal(source(folder))
    assert "needs a library that is not installed" in message
    assert "Torchvision" in message


# Sharing.


def test_modes_of_a_model_load_nothing_more(tiny: Folders) -> None:
    engine, model = LocalEngine(), source(tiny("sd15"))
    engine.run(stage(model), Inputs())
    loads = engine.cache.loads
    for mode in ("img2img", "inpaint"):
        engine.run(stage(model), inputs(mode))
    assert engine.cache.loads == loads == 4


def test_fine_tunes_hold_once_what_they_share(tiny: Folders, tmp_path: Path) -> None:
    other = tinies.save_folder("sd15", tmp_path / "other", seed=1)
    shutil.copytree(tiny("sd15") / "text_encoder", other / "text_encoder", dirs_exist_ok=True)
    cache = ModelCache()
    one, two = cache.load(source(tiny("sd15"))), cache.load(source(other))
    assert {name for name in one.parts if one.parts[name] is two.parts[name]} == {"vae", "tokenizer", "text_encoder"}
    assert (cache.loads, len(cache.parts)) == (5, 5)


def test_demo_models_share_all_but_the_unet() -> None:
    cache = ModelCache()
    scenes, paper = cache.load(ModelSource("demo/scenes")), cache.load(ModelSource("demo/paper"))
    for part in ("vae", "text_encoder", "tokenizer"):
        assert scenes.parts[part] is paper.parts[part]


def test_threads_that_want_the_same_model_read_it_once(tiny: Folders) -> None:
    cache, found = ModelCache(), []
    threads = [threading.Thread(target=lambda: found.append(cache.load(source(tiny("sd15"))))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.loads == 4
    assert len({id(model.parts["unet"]) for model in found}) == 1


# What is held, and what leaves.


def test_held_parts_are_listed(tiny: Folders) -> None:
    cache = ModelCache()
    model = cache.load(source(tiny("sd15"), dtype="float16"))
    rows = {row.what: row for row in cache.rows()}
    unet = rows["unet (UNet2DConditionModel)"]
    assert (unet.where, unet.busy, unet.models) == ("cpu float16", True, (str(tiny("sd15")),))
    assert unet.size == sum(tensor.numel() for tensor in weights(model).values()) * 2
    assert rows["tokenizer (CLIPTokenizer)"].where == ""
    del model
    assert not any(row.busy for row in cache.rows())


def test_unloading_a_model_leaves_what_others_use(tiny: Folders, tmp_path: Path) -> None:
    other = tinies.save_folder("sd15", tmp_path / "other", seed=1)
    cache = ModelCache()
    cache.load(source(tiny("sd15")))
    cache.load(source(other))
    assert cache.unload(str(other)) > 0
    assert {models for row in cache.rows() for models in row.models} == {str(tiny("sd15"))}
    with pytest.raises(ModelError, match="no model 'other' is held"):
        cache.unload("other")
    cache.unload()
    assert cache.rows() == []


def size_of(folder: Path) -> int:
    cache = ModelCache()
    cache.load(source(folder))
    return sum(row.size for row in cache.rows())


def test_least_recently_used_parts_leave_first_and_those_in_use_never(tiny: Folders, tmp_path: Path) -> None:
    names = [tinies.save_folder("sd15", tmp_path / str(seed), seed=seed) for seed in range(3)]
    own = size_of(names[0]) - 99036  # the VAE is shared
    cache = ModelCache(Settings(model_memory=2 * own + 150_000))
    cache.load(source(names[0]))
    cache.load(source(names[1]))
    cache.load(source(names[0]))
    in_use = cache.load(source(names[2]))
    held = {model for row in cache.rows() for model in row.models}
    assert held == {str(names[0]), str(names[2])} | {str(names[1])} & held
    assert sum(row.what.startswith("unet") for row in cache.rows()) == 2
    assert sum(row.size for row in cache.rows()) <= 2 * own + 150_000
    loads = cache.loads
    cache.load(source(names[0]))
    assert cache.loads == loads
    tight = ModelCache(Settings(model_memory=1))
    first, second = tight.load(source(names[0])), tight.load(source(names[1]))
    assert first.parts["vae"] is second.parts["vae"]
    assert sum(row.busy for row in tight.rows()) == len(tight.rows()) == 6
    del first, second, in_use
    tight.load(source(names[2]))
    assert sum(row.what.startswith("unet") for row in tight.rows()) == 1


def test_memory_that_runs_out_is_told_after_letting_all_idle_go(tiny: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    import diffusers

    cache = ModelCache()
    cache.load(source(tiny("kolors")))

    def full(*args: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(diffusers.UNet2DConditionModel, "from_pretrained", full)
    with pytest.raises(ModelError, match="does not fit into memory") as caught:
        cache.load(source(tiny("sd15")))
    assert "dtype float16 or bfloat16, model CPU offload" in caught.value.message
    assert not any(str(tiny("kolors")) in row.models and row.size for row in cache.rows())


# The VAE.


def half_vae(tiny: Folders, tmp_path: Path, *, force_upcast: bool) -> LoadedModel:
    folder = Path(shutil.copytree(tiny("sdxl"), tmp_path / f"model-{force_upcast}"))
    path = folder / "vae" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "force_upcast": force_upcast}))
    return ModelCache().load(source(folder, dtype="float16"))


def test_vae_that_overflows_decodes_in_float32_and_stays_half_itself(tiny: Folders, tmp_path: Path) -> None:
    model = half_vae(tiny, tmp_path, force_upcast=True)
    decoding = model.vae_for_decoding
    assert (decoding.dtype, model.vae.dtype) == (torch.float32, torch.float16)
    assert same({key: value.float() for key, value in weights(model, "vae").items()}, dict(decoding.state_dict()))
    assert model.vae_for_decoding is decoding


def test_vae_that_does_not_overflow_decodes_itself(tiny: Folders, tmp_path: Path) -> None:
    model = half_vae(tiny, tmp_path, force_upcast=False)
    assert model.vae_for_decoding is model.vae


def test_tiling_and_slicing_leave_the_shared_vae_alone(tiny: Folders) -> None:
    cache = ModelCache()
    plain = cache.load(source(tiny("sd15")))
    switched = cache.load(source(tiny("sd15"), vae_tiling=True, vae_slicing=True))
    for vae in (switched.vae, switched.vae_for_decoding):
        assert (vae.use_tiling, vae.use_slicing) == (True, True)
        assert vae.decoder is plain.vae.decoder
    assert (plain.vae.use_tiling, plain.vae.use_slicing) == (False, False)


@pytest.mark.parametrize("form", ["{0}/vae", "{0}", "AutoencoderKL;model={0};subfolder=vae"])
def test_another_vae_takes_the_place_of_the_models_own(form: str, tiny: Folders, tmp_path: Path) -> None:
    folder = tinies.save_folder("sd15", tmp_path / "other")
    vae = tinies.build("sd15").vae
    torch.nn.init.constant_(vae.decoder.conv_out.bias, 0.5)
    vae.save_pretrained(folder / "vae")
    cache = ModelCache()
    own, other = cache.load(source(tiny("sd15"))), cache.load(source(tiny("sd15"), vae=form.format(folder)))
    assert other.parts["unet"] is own.parts["unet"]
    assert float(other.vae.decoder.conv_out.bias[0]) == 0.5
    assert other.facts.space.same_as(own.facts.space)
    assert other.facts.space.vae != own.facts.space.vae
    assert cache.find_vae(other.facts.space.vae) is other.vae


def test_tiny_vae_takes_the_space_of_the_model(tiny: Folders, tmp_path: Path) -> None:
    from diffusers import AutoencoderTiny

    AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4).save_pretrained(tmp_path)
    model = ModelCache().load(source(tiny("sd15"), vae=f"AutoencoderTiny;model={tmp_path};dtype=float32"))
    assert type(model.vae) is AutoencoderTiny
    assert (model.facts.space.name, model.facts.space.scaling_factor) == ("SD", 0.18215)


def test_vae_of_a_single_file_is_read(tiny: Folders, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    whole = load_file(tinies.single_file("sd15", tmp_path / "whole.safetensors"))
    start = "first_stage_model."
    save_file({key: value for key, value in whole.items() if key.startswith(start)}, str(tmp_path / "vae.safetensors"))
    cache = ModelCache()
    model = cache.load(source(tiny("sd15"), vae=str(tmp_path / "vae.safetensors")))
    assert same(weights(model, "vae"), weights(cache.load(source(tiny("sd15"))), "vae"))


def test_vaes_that_do_not_fit_are_refused(tiny: Folders, tmp_path: Path) -> None:
    model = tiny("sd15")
    assert "another latent space" in refusal(source(model, vae=str(tiny("sdxl"))))
    assert "16 channels" in refusal(source(model, vae=str(tiny("sd3"))))
    assert "not a AutoencoderTiny" in refusal(source(model, vae=f"AutoencoderTiny;model={model}"))
    assert "is a UNet2DConditionModel, which does not run here" in refusal(source(model, vae=str(model / "unet")))
    assert "did you mean subfolder?" in refusal(source(model, vae=f"AutoencoderKL;model={model};subfoldr=vae"))
    assert "neither a folder nor in the hub's cache" in refusal(source(model, vae="no/vae"))


# LoRAs, ControlNets, offload, quantizers.


def latents_of(engine: LocalEngine, model: ModelSource) -> torch.Tensor:
    return engine.run(stage(model)).latents.tensor


def test_lora_has_its_own_unet_and_the_effect_that_diffusers_gives(tiny: Folders, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    path = tinies.lora(tmp_path / "style.safetensors")
    cache = ModelCache()
    plain = cache.load(source(tiny("sd15")))
    before = {name: tensor.clone() for name, tensor in weights(plain).items()}
    half = cache.load(source(tiny("sd15"), loras=(f"{path};scale=0.5",)))
    folder = cache.load(source(tiny("sd15"), loras=(f"{tmp_path};weight-name=style.safetensors;scale=0.5",)))
    assert folder.parts["unet"] is half.parts["unet"]
    assert {name for name in plain.parts if plain.parts[name] is not half.parts[name]} == {"unet"}
    assert same(weights(plain), before)
    assert plain.facts.digest != half.facts.digest
    reference = tinies.build("sd15")
    reference.load_lora_weights(str(tmp_path), weight_name=path.name, adapter_name="lora_0")
    reference.set_adapters(["lora_0"], [0.5])
    call = {"prompt": "a red cat", "num_inference_steps": 2, "height": 64, "width": 64, "output_type": "latent"}

    def run(pipeline: Any) -> torch.Tensor:
        pipeline.set_progress_bar_config(disable=True)
        return pipeline(**call, generator=torch.Generator().manual_seed(0)).images

    kind = type(reference)
    expected, ours = run(reference), run(assemble(kind, half.facts, half.parts))
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours, run(assemble(kind, plain.facts, plain.parts)), rtol=1e-2, atol=1e-2)


def test_lora_that_does_not_fit_is_refused(tiny: Folders, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    path = tinies.lora(tmp_path / "style.safetensors")
    assert "style.safetensors does not fit" in refusal(source(tiny("flux"), loras=(str(path),)))
    assert "has no file other.safetensors" in refusal(
        source(tiny("sd15"), loras=(f"{tmp_path};weight-name=other.safetensors",))
    )
    assert "scale=much" in refusal(source(tiny("sd15"), loras=(f"{path};scale=much",)))
    tinies.lora(tmp_path / "second.safetensors", seed=1)
    assert "second.safetensors, style.safetensors" in refusal(source(tiny("sd15"), loras=(str(tmp_path),)))


@pytest.mark.parametrize(
    ("module", "option", "message"),
    [
        ("peft", {"loras": ("{lora}",)}, 'pip install "jupyter-latents[lora]"'),
        ("bitsandbytes", {"quantizer": "bnb;bits=4"}, "pip install bitsandbytes"),
    ],
)
def test_extra_that_is_not_installed_gives_one_line(
    module: str, option: dict[str, Any], message: str, tiny: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tinies.lora(tmp_path / "style.safetensors")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == module else found(name, *more))
    given = {name: (str(path),) if name == "loras" else value for name, value in option.items()}
    said = refusal(source(tiny("sd15"), **given))
    assert message in said
    assert "\n" not in said


def test_quantizer_is_checked_by_name_and_bits(tiny: Folders) -> None:
    assert "quantizer sdnq is not known" in refusal(source(tiny("sd15"), quantizer="sdnq"))
    assert "bits=3 is not allowed" in refusal(source(tiny("sd15"), quantizer="bnb;bits=3"))


def test_control_net_is_a_part_with_its_settings(tiny: Folders, tmp_path: Path) -> None:
    tinies.controlnet().save_pretrained(tmp_path / "net")
    cache = ModelCache()
    model = cache.load(source(tiny("sd15"), control_nets=(f"{tmp_path / 'net'};scale=0.8;start=0.1;end=0.9",)))
    assert type(model.parts["controlnet"]).__name__ == "ControlNetModel"
    (spec,) = model.facts.addons[0].specs
    assert (spec.scale, spec.start, spec.end) == (0.8, 0.1, 0.9)
    loads = cache.loads
    two = cache.load(source(tiny("sd15"), control_nets=(str(tmp_path / "net"),) * 2))
    assert [id(part) for part in two.parts["controlnet"]] == [id(model.parts["controlnet"])] * 2
    assert cache.loads == loads


def test_control_net_that_does_not_fit_is_refused(tiny: Folders, tmp_path: Path) -> None:
    tinies.controlnet().save_pretrained(tmp_path / "net")
    assert "another family" in refusal(source(tiny("sdxl"), control_nets=(str(tmp_path / "net"),)))
    assert "no ControlNet" in refusal(source(tiny("sd15"), control_nets=(str(tiny("sd15") / "unet"),)))
    assert "must be below end" in refusal(source(tiny("sd15"), control_nets=(f"{tmp_path / 'net'};start=0.5;end=0.5",)))
    assert "leave ControlNets out" in refusal(source(tiny("z-image"), control_nets=(str(tmp_path / "net"),)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an accelerator to offload from")
@pytest.mark.parametrize("offload", ["model", "sequential", "group"])
def test_offload_without_an_accelerator_is_said_to_change_nothing(offload: str, tiny: Folders) -> None:
    class Notes(Silent):
        def note(self, text: str, *, warning: bool = False) -> None:
            said.append(text)

    said: list[str] = []
    cache = ModelCache()
    LocalEngine(cache).run(stage(source(tiny("sd15"), offload=offload)), observer=Notes())
    assert sum("there is no accelerator" in line for line in said) == 1
    model = cache.load(source(tiny("sd15"), offload=offload))
    pipeline = object()
    with model.prepared({}, pipeline) as prepared:
        assert prepared is pipeline
    assert model.parts["unet"] is cache.load(source(tiny("sd15"))).parts["unet"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
@pytest.mark.parametrize("offload", ["model", "sequential", "group"])
def test_offload_leaves_shared_parts_as_they_were(offload: str, tiny: Folders) -> None:
    from diffusers import StableDiffusionPipeline

    cache = ModelCache()
    model = cache.load(source(tiny("sd15"), offload=offload, dtype="float32"))
    before = {name: tensor.clone() for name, tensor in weights(model).items()}
    with model.prepared({}, assemble(StableDiffusionPipeline, model.facts, model.parts)) as pipeline:
        pipeline.set_progress_bar_config(disable=True)
        made = pipeline("a red cat", num_inference_steps=2, height=64, width=64, output_type="latent").images
    assert made.device.type == "cuda"
    assert not hasattr(model.parts["unet"], "_hf_hook")
    assert {tensor.device.type for tensor in weights(model).values()} == {"cpu"}
    assert same(weights(model), before)
    assert model.vae_for_decoding.device.type == "cuda"
    assert model.vae.device.type == "cpu"


@pytest.mark.parametrize("family", ["sd15", "sdxl", "flux"])
def test_group_offload_gives_the_same_bits_and_leaves_no_hooks(
    family: str, tiny: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hooks(model: LoadedModel) -> set[str]:
        modules = (one for part in model.parts.values() if hasattr(part, "modules") for one in part.modules())
        return {name for one in modules for name in getattr(one, "_diffusers_hook", HookRegistry(one)).hooks}

    float8 = () if family == "sd15" else ("float8-weights",)
    own, cache = source(tiny(family), optimize=float8), ModelCache()
    plain = LocalEngine(cache).run(stage(own)).latents.tensor
    model = cache.load(own)
    denoiser = model.facts.denoiser
    before, usual = {name: tensor.clone() for name, tensor in weights(model, denoiser).items()}, hooks(model)
    seen = []

    def load(*_args: object, **_options: object) -> LoadedModel:
        return replace(model, offload="group")  # as on an accelerator, which the CPU stands in for

    def prepared(self: LoadedModel, active: Any, pipeline: Any) -> Any:
        return watched(own_prepared(self, active, pipeline))

    @contextmanager
    def watched(around: Any) -> Iterator[Any]:
        with around as pipeline:
            seen.append(hooks(model))
            yield pipeline

    own_prepared = LoadedModel.prepared
    monkeypatch.setattr(LoadedModel, "prepared", prepared)
    monkeypatch.setattr(cache, "load", load)
    assert torch.equal(LocalEngine(cache).run(stage(own)).latents.tensor, plain)
    assert all("group_offloading" in names for names in seen)
    assert seen
    assert hooks(model) == usual
    assert same(weights(model, denoiser), before)


def test_group_offload_says_what_it_cannot_be_combined_with(tiny: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    own = source(tiny("sd15"), offload="group", device="cpu")
    assert "group offload changes nothing here: there is no accelerator" in prepare(stage(own)).notes
    with pytest.raises(ModelError, match="taylorseer needs its layers where they are") as caught:
        prepare(stage(replace(own, optimize=("taylorseer",))))
    assert caught.value.option == "model_group_offload"
    monkeypatch.setattr("diffusers.UNet2DConditionModel._supports_group_offloading", False)
    with pytest.raises(ModelError, match="moves no layers of the unet, a UNet2DConditionModel; use model CPU offload"):
        prepare(stage(own))


# What is said when loading fails.


def test_weights_of_another_architecture_are_refused(tiny: Folders, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny("sd15"), tmp_path / "model"))
    other = tiny("sdxl") / "unet" / "diffusion_pytorch_model.safetensors"
    shutil.copy(other, folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert "unet of" in refusal(source(folder))


def test_missing_tensors_are_refused_not_made_up(tiny: Folders, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(tiny("sd15"), tmp_path / "model"))
    for part, file in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        path = folder / part / f"{file}.safetensors"
        tensors = load_file(path)
        dropped = min(tensors)
        del tensors[dropped]
        save_file(tensors, str(path), metadata={"format": "pt"})
        message = refusal(source(folder))
        assert f"{part} of" in message
        assert dropped in message
        shutil.copy(tiny("sd15") / part / path.name, path)


def test_damaged_weights_are_named(tiny: Folders, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny("sd15"), tmp_path / "model"))
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    message = refusal(source(folder))
    assert "vae of" in message
    assert f"{path} is no whole .safetensors file" in message
    with pytest.raises(ModelError, match="vae of"):  # which the plan says too, before anything is read
        _ = describe(source(folder)).values


def test_a_folder_is_described_anew_where_a_file_of_it_changed(tiny: Folders, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny("sd15"), tmp_path / "model"))
    once = describe(source(folder))
    assert describe(source(folder, auth_token="secret", offline=True)) is once  # not read again
    for name, change in (
        (
            "scheduler/scheduler_config.json",
            lambda path: path.write_text(path.read_text().replace("0.00085", "0.0007")),
        ),
        ("unet/diffusion_pytorch_model.safetensors", lambda path: path.write_bytes(path.read_bytes())),
        ("vae/more.txt", lambda path: path.write_text("more")),
    ):
        change(folder / name)
        again = describe(source(folder))
        assert again is not once, name
        assert again.scheduler[1]["beta_start"] == 0.0007
        once = again
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ModelError, match="vae"):
        describe(source(folder))


def test_a_folder_that_is_no_models_is_not_walked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_latents.engine.models.describe.folder_marks", lambda folder: pytest.fail(str(folder)))
    with pytest.raises(ModelError, match=r"has no model_index\.json"):
        describe(source(tmp_path))


def test_dtype_and_device_are_checked(tiny: Folders) -> None:
    assert "use auto, float32" in refusal(source(tiny("sd15"), dtype="int8"))
    assert "no torch device" in refusal(source(tiny("sd15"), device="gpu"))
    if not torch.cuda.is_available():
        assert "not on this machine; here are cpu." in refusal(source(tiny("sd15"), device="cuda:1"))


def test_latents_are_decoded_and_previewed_by_their_vae_alone(tiny: Folders, tmp_path: Path) -> None:
    for name in ("sd15", "sd3"):
        latents = LocalEngine().run(stage(source(tiny(name)))).latents
        fresh = LocalEngine()
        pictures = fresh.decode(latents)
        assert fresh.cache.loads == 1
        assert [row.what.split()[0] for row in fresh.cache.rows()] == ["vae"]
        assert fresh.preview(latents)[0].size == fresh.preview(latents.replace(space=None))[0].size
        assert fresh.cache.loads == 1
        assert pictures[0].tobytes() == LocalEngine().run(stage(source(tiny(name)))).images[0].tobytes()
    path = tinies.single_file("sd15", tmp_path / "mine.safetensors")
    shutil.copytree(tiny("sd15"), tmp_path / "mine", ignore=shutil.ignore_patterns("*.safetensors"))
    fresh = LocalEngine()
    fresh.decode(LocalEngine().run(stage(source(path))).latents)
    assert fresh.cache.loads == 1


def test_half_precision_latents_are_previewed_without_another_copy_of_the_model(tiny: Folders) -> None:
    engine = LocalEngine()
    latents = engine.run(stage(source(tiny("sd15"), dtype="bfloat16"))).latents
    loads = engine.cache.loads
    engine.preview(latents)
    engine.decode(latents)
    assert engine.cache.loads == loads
