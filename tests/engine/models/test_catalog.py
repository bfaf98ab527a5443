"""Where models are found and what is known of them before weights load, and what is said when they are not."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.models.files.digests import part_digest
from jupyter_latents.engine.models.files.weights import missing_shards, variants, weight_files
from jupyter_latents.engine.models.places.names import Wanted, not_found
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource
from tests import tiny as tinies

SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"


@pytest.fixture(scope="session")
def small_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache with one model in two variants."""
    return tinies.hub_cache(tmp_path_factory.mktemp("hub"), {SD15: tinies.PUBLISHED[SD15]})


@pytest.fixture
def hub(small_hub: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the hub's cache of this machine."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(small_hub))
    return small_hub


@pytest.fixture
def copied(tiny: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A folder of a family that a test may damage."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(tiny(name), tmp_path / name))

    return copy


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refusal(source: ModelSource) -> str:
    with pytest.raises(ModelError) as caught:
        describe(source)
    return caught.value.message


# What is known.


@pytest.mark.parametrize(
    ("name", "family", "space", "size"),
    [
        ("sd15", "SD", "SD", 64),
        ("sdxl", "SDXL", "SDXL", 128),
        ("kolors", "Kolors", "SDXL", 128),
        ("sd3", "SD3", "SD3", 128),
        ("flux", "Flux.1", "Flux", 1024),
        ("auraflow", "AuraFlowPipeline", "SDXL", 1024),
    ],
)
def test_folder_is_described(name: str, family: str, space: str, size: int, tiny: Callable[[str], Path]) -> None:
    facts = describe(ModelSource(str(tiny(name))))
    assert (facts.family.name, facts.space.name, facts.default_size) == (family, space, (size, size))
    assert facts.space.vae == facts.digests["vae"]
    assert 10_000 < facts.values < 10_000_000


def test_demo_models_have_spaces_of_their_own() -> None:
    facts = describe(ModelSource("demo/scenes"))
    assert facts.space.name == "demo"
    assert describe(ModelSource("demo/paper")).space == facts.space
    assert describe(ModelSource("demo/flow")).space.name == "demo-flow"
    assert facts.default_size == (128, 128)


def test_vae_configuration_of_old_files_means_the_defaults_of_its_class(copied: Callable[[str], Path]) -> None:
    folder = copied("sd15")
    path = folder / "vae" / "config.json"
    config = json.loads(path.read_text())
    del config["scaling_factor"], config["shift_factor"]
    path.write_text(json.dumps(config))
    assert describe(ModelSource(str(folder))).space.scaling_factor == 0.18215


def test_published_name_is_found_in_the_cache(hub: Path) -> None:
    facts = describe(ModelSource(SD15, variant="fp16"))
    assert hub in facts.folder.parents
    assert facts.sources["unet"].variant == "fp16"
    assert describe(ModelSource(SD15, revision="main")).folder == facts.folder
    assert describe(ModelSource(SD15, revision=facts.folder.name)).folder == facts.folder
    assert describe(ModelSource(SD15)).digest != facts.digest


def test_subfolder_holds_the_model(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copytree(tiny("sd15"), tmp_path / "inner")
    assert describe(ModelSource(str(tmp_path), subfolder="inner")).family.name == "SD"
    assert "Folders with a model: inner" in refusal(ModelSource(str(tmp_path), subfolder="other"))
    assert "Give subfolder inner" in refusal(ModelSource(str(tmp_path)))
    assert "no folder '..'" in refusal(ModelSource(str(tmp_path / "inner"), subfolder=".."))


# What is refused, and how.


def test_unknown_names_are_refused_with_what_is_known(hub: Path) -> None:
    assert "did you mean demo/scenes?" in refusal(ModelSource("demo/scenen"))
    assert "did you mean demo/scenes?" in refusal(ModelSource("Demo/SCENES"))
    nowhere = refusal(ModelSource("stable-diffusion-v1-5/stable-diffusion-v1-6"))
    assert f"did you mean {SD15}?" in nowhere
    assert 'hf download stable-diffusion-v1-5/stable-diffusion-v1-6 --include "*.json"' in nowhere
    assert "offline" in nowhere
    assert "did you mean" not in refusal(ModelSource("stable-diffusion-v1-5/sd-turbo"))  # the same owner is no likeness
    linked = refusal(ModelSource("https://huggingface.co/somebody/some/blob/main/mine.safetensors"))
    assert linked.endswith("hf download somebody/some mine.safetensors")
    assert "no folder or file" in refusal(ModelSource("./nothing/here/model"))
    assert "only links to files on the model hub" in refusal(ModelSource("https://example.com/x.safetensors"))


def test_missing_revision_names_those_that_are_here(hub: Path) -> None:
    message = refusal(ModelSource(SD15, revision="v2"))
    assert "'v2'" in message
    assert "here are main" in message


def test_missing_variant_names_those_that_are_here(tiny: Callable[[str], Path], hub: Path) -> None:
    assert "here are: plain files (no variant)." in refusal(ModelSource(str(tiny("sd15")), variant="fp16"))
    assert "here are: plain files (no variant), fp16." in refusal(ModelSource(SD15, variant="fp8"))


def test_folder_of_one_variant_only_asks_for_it(tmp_path: Path) -> None:
    folder = tinies.save_folder("sd15", tmp_path / "half", variants=("fp16",))
    assert "no weights but those of variant fp16" in refusal(ModelSource(str(folder)))
    assert describe(ModelSource(str(folder), variant="fp16")).sources["vae"].variant == "fp16"


def test_partly_downloaded_snapshot_is_refused_before_anything_loads(
    small_hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    shutil.copytree(small_hub, tmp_path / "hub", symlinks=True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    snapshot = describe(ModelSource(SD15)).folder
    shutil.rmtree(snapshot / "unet")
    message = refusal(ModelSource(SD15))
    assert "only partly in the hub's cache" in message
    assert "unet is not there" in message
    (snapshot / "model_index.json").unlink()
    assert "none of model_index.json" in refusal(ModelSource(SD15))


def test_damaged_and_missing_files_are_named(copied: Callable[[str], Path]) -> None:
    folder = copied("sd15")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    assert "unet has no weights" in refusal(ModelSource(str(folder)))
    shutil.rmtree(folder / "tokenizer")
    assert "tokenizer is not there" in refusal(ModelSource(str(folder)))
    (folder / "model_index.json").write_text("{")
    assert "model_index.json of the model" in refusal(ModelSource(str(folder)))


def test_code_of_a_model_never_runs(copied: Callable[[str], Path]) -> None:
    folder = copied("sd15")
    rewrite(folder / "model_index.json", unet=["unet_with_code", "MyUNet"])
    message = refusal(ModelSource(str(folder)))
    assert "unet_with_code.MyUNet" in message
    assert "never runs here" in message
    rewrite(folder / "model_index.json", _class_name=["pipeline", "MyPipeline"])
    assert "pipeline.MyPipeline" in refusal(ModelSource(str(folder)))


def test_class_that_diffusers_does_not_have_is_named(copied: Callable[[str], Path]) -> None:
    folder = copied("sd15")
    rewrite(folder / "model_index.json", unet=["diffusers", "UNetOfTomorrow"])
    assert "diffusers.UNetOfTomorrow" in refusal(ModelSource(str(folder)))


def test_model_type_is_checked(tiny: Callable[[str], Path]) -> None:
    source = ModelSource(str(tiny("sd15")), model_type="sd")
    assert describe(source).family.name == "SD"
    message = refusal(ModelSource(source.name, model_type="sdxl"))
    assert "model type is sdxl" in message
    assert "StableDiffusionPipeline" in message
    assert "model type sd " in message
    assert "did you mean sdxl?" in refusal(ModelSource(source.name, model_type="sdxxl"))


def test_token_is_in_no_message(hub: Path) -> None:
    source = ModelSource("nobody/nothing", auth_token="hf_secret")
    assert "hf_secret" not in refusal(source)
    assert "hf_secret" not in repr(Wanted.model(source))
    assert "hf_secret" not in str(not_found(Wanted.model(source)))


# Single files.


@pytest.mark.parametrize(("name", "family"), [("sd15", "SD"), ("sdxl", "SDXL"), ("sd3", "SD3")])
def test_single_file_is_known_from_its_header(
    name: str, family: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tinies.single_file(name, tmp_path / "mine.safetensors")
    shutil.copytree(tiny(name), tmp_path / "mine", ignore=shutil.ignore_patterns("*.safetensors"))
    facts = describe(ModelSource(str(path)))
    assert facts.family.name == family
    assert facts.sources["transformer" if name == "sd3" else "unet"].form == "checkpoint"
    assert facts.sources["tokenizer"].digest == describe(ModelSource(str(tiny(name)))).sources["tokenizer"].digest


def test_single_file_takes_its_configuration_from_the_cache(hub: Path, tmp_path: Path) -> None:
    path = tinies.single_file("sd15", tmp_path / "mine.safetensors")
    assert hub in describe(ModelSource(str(path))).folder.parents
    assert "model type is sdxl" in refusal(ModelSource(str(path), model_type="sdxl"))


def test_single_file_without_configuration_says_what_to_provide(hub: Path, tmp_path: Path) -> None:
    path = tinies.single_file("sdxl", tmp_path / "mine.safetensors")
    message = refusal(ModelSource(str(path)))
    assert "stabilityai/stable-diffusion-xl-base-1.0" in message
    assert str(tmp_path / "mine") in message
    assert "hf download" in message


def test_files_that_are_no_checkpoints_are_refused(tmp_path: Path) -> None:
    lora = tinies.lora(tmp_path / "lora.safetensors")
    assert "A VAE is given as VAE, LoRAs as LoRAs" in refusal(ModelSource(str(lora)))
    (tmp_path / "note.txt").write_text("hello")
    assert "is no model" in refusal(ModelSource(str(tmp_path / "note.txt")))
    (tmp_path / "half.safetensors").write_bytes(lora.read_bytes()[:100])
    assert "no whole .safetensors file" in refusal(ModelSource(str(tmp_path / "half.safetensors")))


def test_checkpoint_with_code_is_not_opened(tmp_path: Path) -> None:
    import torch

    class Code:
        def __reduce__(self) -> tuple[object, ...]:
            return (print, ("ran",))

    torch.save({"model": Code()}, tmp_path / "bad.ckpt")
    message = refusal(ModelSource(str(tmp_path / "bad.ckpt")))
    assert "holds more than tensors" in message
    assert "safetensors" in message


# Files and digests.


def test_weight_files_are_chosen_by_variant_and_kind(tmp_path: Path) -> None:
    names = [
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.bin",
        "diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
        "diffusion_pytorch_model-00001-of-00002.ema.safetensors",
        "diffusion_pytorch_model-00002-of-00002.ema.safetensors",
        "optimizer.bin",
    ]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in weight_files(tmp_path)] == names[:1]
    assert [path.name for path in weight_files(tmp_path, "fp16")] == names[2:3]
    assert [path.name for path in weight_files(tmp_path, "ema")] == names[3:5]
    assert [path.name for path in weight_files(tmp_path, "none")] == names[:1]
    assert (missing_shards(tmp_path, "fp16"), missing_shards(tmp_path, "ema"), missing_shards(tmp_path)) == (1, 0, 0)
    assert variants(tmp_path) == {None, "fp16", "ema"}


def test_digest_is_of_what_is_read_not_of_who_wrote_it(copied: Callable[[str], Path]) -> None:
    folder = copied("sd15") / "vae"
    before = part_digest(folder, weight_files(folder))
    rewrite(folder / "config.json", _diffusers_version="0.6.0", _name_or_path="elsewhere", torch_dtype="float16")
    (folder / "README.md").write_text("words")
    assert part_digest(folder, weight_files(folder)) == before
    rewrite(folder / "config.json", scaling_factor=0.5)
    assert part_digest(folder, weight_files(folder)) != before


def test_another_file_of_the_same_name_size_and_time_is_another(copied: Callable[[str], Path]) -> None:
    """As archives with fixed times leave them."""
    folder = copied("sd15") / "unet"
    (file,) = weight_files(folder)
    other = folder / "other"
    other.write_bytes(bytes([*file.read_bytes()[:-1], 7]))
    for path in (file, other):
        os.utime(path, ns=(10**18, 10**18))
    before = part_digest(folder, [file])
    other.replace(file)
    assert part_digest(folder, [file]) != before


def test_same_model_in_cache_and_folder_has_the_same_digests(hub: Path, tiny: Callable[[str], Path]) -> None:
    assert describe(ModelSource(SD15)).digests == describe(ModelSource(str(tiny("sd15")))).digests


def test_hub_that_cannot_be_reached_is_given_up_soon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    assert "the hub could not be reached" in refusal(ModelSource("some/model"))
    assert time.monotonic() - start < 5
    assert "offline" in refusal(ModelSource("some/model", offline=True))


def test_a_variant_that_an_unreached_hub_may_have_is_told_with_its_line(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    message = refusal(ModelSource(SD15, variant="fp8"))
    assert "here are: plain files (no variant), fp16. The hub could not be reached" in message
    assert message.endswith('--include "*/*.fp8*.safetensors"')
    assert refusal(ModelSource("some/model", variant="fp8")).endswith('--include "*/*.fp8*.safetensors"')
