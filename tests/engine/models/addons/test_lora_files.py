"""Which file of a folder or of a repository in the hub's cache is a LoRA: the one that diffusers takes, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

from jupyter_latents.engine.models.addons.loras import Loras
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource
from tests import tiny as tinies
from tests.engine.cases import PROMPT, Bench, plain

USUAL = "pytorch_lora_weights.safetensors"
REPOSITORIES = {
    "one": ("pixel-art.safetensors", "README.md"),
    "two": ("a.safetensors", "b.safetensors"),
    "usual": (USUAL, "a.safetensors"),
    "named": ("x.safetensors", f"my_{USUAL}"),
    "trained": ("style.safetensors", "optimizer.safetensors", "style-checkpoint-500.safetensors"),
    "pickled": ("style.bin", "README.md"),
    "both": ("pytorch_lora_weights.bin", "style.safetensors"),
    "inside": ("inner/pixel.safetensors", "README.md"),
    "empty": ("README.md",),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, scratch = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("repositories")
    for name, files in REPOSITORIES.items():
        tinies.add_repository(root, f"o/{name}", written(scratch / name, files))
    return root


def written(folder: Path, files: Sequence[str]) -> Path:
    for seed, file in enumerate(files):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        if file.endswith(".safetensors"):
            tinies.lora(folder / file, seed)
        elif file.endswith(".bin"):
            from safetensors.torch import load_file

            torch.save(load_file(tinies.lora(folder / "made.safetensors", seed)), folder / file)
            (folder / "made.safetensors").unlink()
        else:
            (folder / file).write_text("a style")
    return folder


@pytest.fixture(autouse=True)
def cache(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))


def found(bench: Bench, address: str) -> Loras:
    facts = describe(ModelSource(str(bench.folder("sd15")), loras=(address,)))
    return next(addon for addon in facts.addons if isinstance(addon, Loras))


@pytest.mark.parametrize(
    ("address", "file", "told"),
    [
        ("o/one", "pixel-art.safetensors", "one;scale=1;weight-name=pixel-art.safetensors"),
        ("o/one;weight-name=pixel-art.safetensors;scale=0.5", "pixel-art.safetensors",
         "one;scale=0.5;weight-name=pixel-art.safetensors"),
        ("o/two;weight-name=b.safetensors", "b.safetensors", "two;scale=1;weight-name=b.safetensors"),
        ("o/usual", USUAL, f"usual;scale=1;weight-name={USUAL}"),
        ("o/named", f"my_{USUAL}", f"named;scale=1;weight-name=my_{USUAL}"),
        ("o/trained", "style.safetensors", "trained;scale=1;weight-name=style.safetensors"),
        ("o/pickled", "style.bin", "pickled;scale=1;weight-name=style.bin"),
        ("o/both", "style.safetensors", "both;scale=1;weight-name=style.safetensors"),
        ("o/inside;subfolder=inner", "pixel.safetensors",
         "inside;scale=1;subfolder=inner;weight-name=pixel.safetensors"),
        ("o/inside;weight-name=inner/pixel.safetensors", "pixel.safetensors",
         "inside;scale=1;weight-name=inner/pixel.safetensors"),
    ],
)  # fmt: skip
def test_a_repository_in_the_cache_needs_no_usual_name(address: str, file: str, told: str, bench: Bench) -> None:
    loras = found(bench, address)
    assert loras.files[0].path.name == file
    assert loras.story == told


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("o/two", "o/two holds a.safetensors, b.safetensors; name one with ;weight-name=FILE"),
        ("o/one;weight-name=other.safetensors", "none of other.safetensors"),
        ("o/inside", "none of pytorch_lora_weights.safetensors, pytorch_lora_weights.bin, "),
        ("o/empty", "is only partly in the hub's cache"),
        ("o/absent", "is neither a folder nor in the hub's cache"),
        ("o/one;weight-name=*.safetensors", "is only partly in the hub's cache"),
        ("o/one;revision=v2", "is in the hub's cache, but not its revision 'v2'"),
    ],
)
def test_what_does_not_say_which_file_is_refused(address: str, message: str, bench: Bench) -> None:
    with pytest.raises(ModelError) as caught:
        found(bench, address)
    assert message in caught.value.message
    assert caught.value.option == "loras"


@pytest.mark.parametrize("name", [name for name in REPOSITORIES if name not in ("two", "inside", "empty")])
def test_it_is_the_file_that_diffusers_takes(name: str, bench: Bench) -> None:
    from diffusers.loaders.lora_base import _best_guess_weight_name

    file = found(bench, f"o/{name}").files[0].path
    theirs = _best_guess_weight_name(str(file.parent)) or _best_guess_weight_name(str(file.parent), ".bin")
    assert file.name == theirs
    with pytest.raises(ValueError, match="you must specify a `weight_name`"):  # they ask for it where we need not
        _best_guess_weight_name(f"o/{name}", local_files_only=True)


@pytest.mark.parametrize("name", ["one", "pickled"])
def test_a_run_is_that_of_diffusers(name: str, bench: Bench) -> None:
    made: Any = plain(bench.folder("sd15"))
    made.load_lora_weights(str(found(bench, f"o/{name}").files[0].path.parent), adapter_name="own")
    generator = torch.Generator().manual_seed(7)
    size = {"num_inference_steps": 2, "guidance_scale": 3.0, "width": 64, "height": 64, "output_type": "latent"}
    theirs = made(PROMPT, generator=generator, **size).images
    stage = bench.stage("sd15", num_inference_steps=2)
    ours = bench.engine.run(replace(stage, model=replace(stage.model, loras=(f"o/{name}",)))).latents.tensor
    assert torch.equal(ours, theirs)
