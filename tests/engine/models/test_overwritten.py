"""Weights that stay mapped to a file hold what the file holds now: one that was written over is not shared any more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file, save_file

from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.models.cache import LoadedModel, ModelCache
from jupyter_latents.engine.models.describe import describe, description_scope
from jupyter_latents.engine.models.load import is_mapped
from jupyter_latents.engine.observer import Look, Silent, StepEvent
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage
from tests import tiny as tinies

STAGE = Stage(model=ModelSource("none"), prompt=Prompt("a cat"), seed=1, num_inference_steps=3, size=Size(64, 64))
UNET = Path("unet", "diffusion_pytorch_model.safetensors")


def write_over(path: Path, other: Path) -> None:
    """Gives a file the bytes of another of the same size, in place: as ``cp`` does."""
    assert path.stat().st_size == other.stat().st_size
    with path.open("r+b") as file:
        file.write(other.read_bytes())


def half(path: Path) -> None:
    """Halves all numbers of a weight file."""
    save_file({name: value / 2 for name, value in load_file(path).items()}, path, {"format": "pt"})


def weights(model: LoadedModel, part: str = "unet") -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.parts[part].state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def folders(place: Path) -> tuple[Path, Path, Path]:
    """A model, one with other weights, and a copy of the first."""
    first, other = tinies.save_folder("sd15", place / "first"), tinies.save_folder("sd15", place / "other", seed=1)
    return first, other, Path(shutil.copytree(first, place / "copy"))


def files(place: Path) -> tuple[Path, Path, Path]:
    """The same as single files, each beside its settings."""
    first, other = (tinies.single_file("sd15", place / f"{seed}.safetensors", seed=seed) for seed in (0, 1))
    copy = Path(shutil.copyfile(first, place / "2.safetensors"))
    for file in (first, other, copy):
        tinies.save_folder("sd15", file.with_suffix(""))
        for weight in file.with_suffix("").glob("*/*.safetensors"):
            weight.unlink()
    return first, other, copy


@pytest.mark.parametrize(("made", "inside"), [(folders, UNET), (files, Path())], ids=["folder", "file"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_copy_of_a_model_that_was_written_over_has_its_own_weights(
    made: Callable[[Path], tuple[Path, Path, Path]], inside: Path, dtype: str, tmp_path: Path
) -> None:
    first, other, copy = made(tmp_path)
    cache = ModelCache()
    before = weights(cache.load(ModelSource(str(first), dtype=dtype)))
    write_over(first / inside, other / inside)
    assert same(weights(cache.load(ModelSource(str(copy), dtype=dtype))), before)
    after = weights(cache.load(ModelSource(str(first), dtype=dtype)))
    assert not same(after, before)
    assert same(after, weights(ModelCache().load(ModelSource(str(other), dtype=dtype))))


def adapter(folder: Path, seed: int) -> Path:
    return tinies.ip_adapter(folder, tinies.build("sd15").unet, seed)


def style(folder: Path, seed: int) -> Path:
    return tinies.lora(folder / "style.safetensors", seed)


@pytest.mark.parametrize(("field", "made"), [("loras", style), ("ip_adapters", adapter)])
def test_a_copy_of_what_was_put_on_a_model_and_written_over_is_put_on_anew(
    field: str, made: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    model = str(tinies.save_folder("sd15", tmp_path / "model"))
    first, other, copy = (made(tmp_path / name, seed) for name, seed in (("first", 0), ("other", 1), ("copy", 0)))

    def loaded(cache: ModelCache, path: Path) -> dict[str, torch.Tensor]:
        given: Any = {field: (str(path),)}
        return weights(cache.load(ModelSource(model, **given)))

    cache = ModelCache()
    before = loaded(cache, first)
    write_over(first, other)
    assert same(loaded(cache, copy), before)
    after = loaded(cache, first)
    assert not same(after, before)
    assert same(after, loaded(ModelCache(), other))


def test_what_is_as_it_was_is_shared(tmp_path: Path) -> None:
    first, _, copy = folders(tmp_path)
    cache = ModelCache()
    assert cache.load(ModelSource(str(first))).parts["unet"] is cache.load(ModelSource(str(copy))).parts["unet"]


def test_latents_are_decoded_by_no_vae_that_was_written_over(tmp_path: Path) -> None:
    first, other, copy = folders(tmp_path)
    half(other / "vae" / UNET.name)
    cache = ModelCache()
    digest = cache.load(ModelSource(str(first))).facts.sources["vae"].digest
    assert cache.find_vae(digest) is not None
    inside = Path("vae", UNET.name)
    write_over(first / inside, other / inside)
    assert cache.find_vae(digest) is None
    cache.load(ModelSource(str(copy)))
    assert cache.find_vae(digest) is not None


def test_settings_that_change_while_a_stage_runs_refuse_nothing(tmp_path: Path) -> None:
    first, _, copy = folders(tmp_path)
    settings = first / UNET.parent / "config.json"

    class Settles(Silent):
        def step(self, event: StepEvent, _look: Look) -> None:
            if event.step == 1:
                settings.write_text(settings.read_text() + "\n")

    stages = [replace(STAGE, model=ModelSource(str(path))) for path in (first, copy)]
    made, expected = (LocalEngine().run(stage, observer=Settles()).latents.tensor for stage in stages)
    assert torch.equal(made, expected)


def test_settings_that_change_before_a_part_is_read_are_refused(tmp_path: Path) -> None:
    first, _, _ = folders(tmp_path)
    settings = first / UNET.parent / "config.json"
    with description_scope():
        _ = describe(ModelSource(str(first))).digest
        settings.write_text(settings.read_text() + "\n")
        with pytest.raises(ModelError, match=r"files of unet of .* were changed since .* run it again"):
            ModelCache().load(ModelSource(str(first)))


def test_a_copy_that_decodes_is_made_of_no_vae_that_was_written_over(tmp_path: Path) -> None:
    first, other, copy = (Path(tmp_path / name) for name in ("first", "other", "copy"))
    pipeline = tinies.build("sdxl")
    pipeline.vae.register_to_config(force_upcast=True)
    pipeline.to(torch.float16).save_pretrained(first)
    for place in (other, copy):
        shutil.copytree(first, place)
    half(other / "vae" / UNET.name)
    cache = ModelCache()

    def decoding(path: Path) -> dict[str, torch.Tensor]:
        made = cache.load(ModelSource(str(path), dtype="float16")).vae_for_decoding
        assert made.dtype == torch.float32
        return dict(made.state_dict())

    model = cache.load(ModelSource(str(first), dtype="float16"))
    write_over(first / "vae" / UNET.name, other / "vae" / UNET.name)
    assert model.vae_for_decoding is not None  # a run of it that goes on, and is refused at its end
    expected = ModelCache().load(ModelSource(str(copy), dtype="float16")).vae_for_decoding
    assert same(decoding(copy), dict(expected.state_dict()))


def test_previews_are_decoded_by_the_vae_of_the_run(tmp_path: Path) -> None:
    first, other, copy = folders(tmp_path)
    half(other / "vae" / UNET.name)
    latents = torch.linspace(-2, 2, 4 * 8 * 8).reshape(1, 4, 8, 8)
    cache = ModelCache()

    def preview(path: Path) -> torch.Tensor:
        return cache.load(ModelSource(str(path))).previewer("off").pictures(latents)

    before = preview(first)
    write_over(first / "vae" / UNET.name, other / "vae" / UNET.name)
    assert torch.equal(preview(copy), before)
    assert not torch.equal(preview(first), before)


def test_weights_that_are_gone_when_they_are_read_are_told(tmp_path: Path) -> None:
    first = tinies.save_folder("sd15", tmp_path / "first")
    with description_scope():
        _ = describe(ModelSource(str(first))).digest
        (first / UNET).unlink()
        with pytest.raises(ModelError):
            ModelCache().load(ModelSource(str(first)))


def test_a_tiny_autoencoder_is_a_view_into_no_file(tmp_path: Path) -> None:
    tiny = AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4)
    tiny.save_pretrained(tmp_path / "tiny")
    model = ModelCache().load(ModelSource(str(tinies.save_folder("sd15", tmp_path / "model"))))
    previewer: Any = model.previewer(str(tmp_path / "tiny"))
    assert not is_mapped(previewer.decoder)


def test_what_changes_between_its_digest_and_its_reading_is_refused_and_not_kept(tmp_path: Path) -> None:
    first, other, _ = folders(tmp_path)
    style_of_first, other_style = (style(tmp_path / name, seed) for seed, name in enumerate(("one", "two")))
    source = ModelSource(str(first), loras=(str(style_of_first),))
    for mine, others in ((first / UNET, other / UNET), (style_of_first, other_style)):
        cache = ModelCache()
        with description_scope():  # as a run has it: each model is looked at once, whatever it takes until it is read
            _ = describe(source).digest
            write_over(mine, others)
            with pytest.raises(ModelError, match=r"files of unet of .* were changed since .* run it again"):
                cache.load(source)
        assert not [key for key in cache.parts if key.class_name.startswith("UNet")]
    expected = ModelCache().load(ModelSource(str(other), loras=(str(other_style),)))
    assert same(weights(cache.load(source)), weights(expected))


class Writes(Silent):
    """Writes over a file at the first step."""

    def __init__(self, *files: Path) -> None:
        self.files = files

    def step(self, event: StepEvent, _look: Look) -> None:
        if event.step == 1:
            write_over(*self.files)


@pytest.mark.parametrize(("dtype", "wrong"), [("float32", True), ("bfloat16", False)])
def test_what_a_stage_makes_of_a_file_that_is_written_over_meanwhile_is_not_kept(
    dtype: str, wrong: bool, tmp_path: Path
) -> None:
    first, other, copy = folders(tmp_path)
    engine = LocalEngine()

    def made(path: Path, observer: Silent, engine: LocalEngine = engine) -> torch.Tensor:
        stage = replace(STAGE, model=ModelSource(str(path), dtype=dtype))
        return engine.run(stage, observer=observer).latents.tensor

    if wrong:
        with pytest.raises(ModelError, match=r"was written to while the stage ran.* Run it again"):
            made(first, Writes(first / UNET, other / UNET))
    else:
        assert torch.equal(made(first, Writes(first / UNET, other / UNET)), made(copy, Silent()))
    assert torch.equal(made(first, Silent()), made(first, Silent(), LocalEngine()))
