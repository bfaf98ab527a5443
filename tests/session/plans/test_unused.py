"""Weight files and configurations that are not of each other: missing tensors are refused, left-out ones are told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from jupyter_latents.engine.models.files import unused
from jupyter_latents.errors import ModelError
from tests import tiny as tinies
from tests.session.conftest import Desk

RUN = "--prompts cat --inference-steps 2 --seeds 3 --output-size 64"
MORE = {
    "unet": ("sd15", "down_blocks.0.resnets.7.conv1.weight"),
    "vae": ("sd15", "decoder.up_blocks.0.resnets.7.conv1.weight"),
    "text_encoder": ("sd15", "text_model.encoder.layers.2.mlp.fc1.weight"),
    "transformer": ("sd3", "transformer_blocks.7.attn.to_q.weight"),
}
INSIDE = {
    "unet": "model.diffusion_model.input_blocks.13.0.in_layers.2.weight",
    "vae": "first_stage_model.decoder.up.0.block.7.conv1.weight",
}


@pytest.fixture(autouse=True)
def nothing_found() -> None:
    unused._found.clear()


def with_tensor(path: Path, name: str) -> None:
    save_file({**load_file(path), name: torch.zeros(4096)}, str(path), {"format": "pt"})


def told(desk: Desk, text: str) -> list[str]:
    desk.run(text)
    return [line for line in desk.notes.lines if "nothing uses them" in line]


@pytest.mark.parametrize("part", MORE)
def test_more_layers_than_the_configuration_says_are_told(
    desk: Desk, tiny: Callable[[str], Path], tmp_path: Path, part: str
) -> None:
    family, name = MORE[part]
    model = Path(shutil.copytree(tiny(family), tmp_path / "mine"))
    (file,) = (model / part).glob("*.safetensors")
    with_tensor(file, name)
    first = told(desk, f"{model} {RUN}")
    assert len(first) == 1
    assert first[0].startswith(f"{part} of {model}: 1 tensor of its weight file has no place (")
    assert name.removeprefix("text_model.").removesuffix(".weight") in first[0]
    assert told(desk, f"{model} {RUN}") == first, "it is told again where memory answers"
    assert first[0] in desk.plan(f"{model} {RUN}").stages[0].notes


def test_fewer_layers_in_the_configuration_are_told(desk: Desk, tiny: Callable[[str], Path], tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny("sd15"), tmp_path / "mine"))
    file = model / "text_encoder/config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "num_hidden_layers": 1}))
    (line,) = told(desk, f"{model} {RUN}")
    assert "tensors of its weight file have no place (text_model.encoder.layers.1." in line or "layers.1." in line


@pytest.mark.parametrize("part", INSIDE)
def test_a_single_file_is_looked_at_too(desk: Desk, tiny: Callable[[str], Path], tmp_path: Path, part: str) -> None:
    shutil.copytree(tiny("sd15"), tmp_path / "mine", ignore=shutil.ignore_patterns("*.safetensors"))
    path = tinies.single_file("sd15", tmp_path / "mine.safetensors")
    assert told(desk, f"{path} {RUN}") == []
    other = Path(shutil.copytree(tmp_path / "mine", tmp_path / "other"))
    more = Path(shutil.copy(path, other.with_suffix(".safetensors")))
    with_tensor(more, INSIDE[part])
    (line,) = told(desk, f"{more} {RUN}")
    assert line.startswith(f"{part} of {more}:")


def test_a_single_file_that_lacks_tensors_is_refused(desk: Desk, tiny: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copytree(tiny("sd15"), tmp_path / "mine", ignore=shutil.ignore_patterns("*.safetensors"))
    path = tinies.single_file("sd15", tmp_path / "mine.safetensors")
    weights = load_file(path)
    del weights["model.diffusion_model.out.2.bias"]
    save_file(weights, str(path), {"format": "pt"})
    with pytest.raises(ModelError, match="the file lacks tensors that the config"):
        desk.run(f"{path} {RUN}")


def test_models_that_are_whole_tell_nothing(desk: Desk) -> None:
    assert told(desk, f"<sd15> {RUN}\n\n<sd3> {RUN}\n\n<flux> {RUN}") == []
    assert unused._found
    assert not any(unused._found.values())
