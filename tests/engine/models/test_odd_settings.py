"""A model's settings may say anything: it is refused by our error, in bounded time and memory, or it runs."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource, address_of
from tests.engine.cases import inputs
from tests.engine.models.odd_settings import Change, answer_to, changes, stage_of
from tests.tiny import FAMILIES

MANY = 10**7
NUMBERS: list[tuple[str, str, str, Any, str]] = [
    ("sd15", "unet", "layers_per_block", MANY, "tensors: it asks for more than is there"),
    ("sd15", "unet", "attention_head_dim", 0, "it is a whole number of 1 or more"),
    ("sd15", "unet", "norm_num_groups", 0, "it is a whole number of 1 or more"),
    ("sd15", "unet", "norm_num_groups", [], "it holds whole numbers of 1 or more"),
    ("sd15", "unet", "block_out_channels", [8, 16, MANY], "no tensor of its weight file is longer than"),
    ("sd15", "unet", "block_out_channels", [8, 16, 16] * 1000, "these are 3000, and its weight file holds"),
    ("sd15", "unet", "block_out_channels", 8, "it holds whole numbers of 1 or more"),
    ("sd15", "unet", "sample_size", -4, "it is a whole number of 1 or more"),
    ("sd15", "unet", "sample_size", MANY, "8,192 is the most"),
    ("sd15", "unet", "in_channels", 1.5, "it is a whole number of 1 or more"),
    ("sd15", "unet", "conv_in_kernel", MANY, "no tensor of its weight file is longer than"),
    ("sd15", "vae", "latent_channels", None, "it is a whole number of 1 or more"),
    ("sd15", "vae", "block_out_channels", [], "it holds whole numbers of 1 or more"),
    ("sd15", "vae", "latents_mean", 1.5, "it is a list of numbers, each"),
    ("sd15", "text_encoder", "num_hidden_layers", MANY, "tensors: it asks for more than is there"),
    ("sd15", "text_encoder", "hidden_size", MANY, "no tensor of its weight file is longer than"),
    ("sd15", "text_encoder", "max_position_embeddings", MANY, "no tensor of its weight file is longer than"),
    ("sd3", "transformer", "num_layers", MANY, "tensors: it asks for more than is there"),
    ("sd3", "transformer", "pos_embed_max_size", 4_000, "no tensor of its weight file is longer than"),
    ("flux", "transformer", "num_single_layers", -1, "it is a whole number of 0 or more"),
    ("flux", "transformer", "joint_attention_dim", MANY, "no tensor of its weight file is longer than"),
    ("flux", "transformer", "attention_head_dim", "x", "it is a whole number of 1 or more"),
    ("flux2", "transformer", "mlp_ratio", MANY, "no tensor of its weight file is longer than"),
    ("qwen-image", "vae", "dim_mult", [], "it holds whole numbers of 1 or more"),
    ("qwen-image", "vae", "dim_mult", [MANY, 2], "no tensor of its weight file is longer than"),
    ("z-image", "transformer", "all_f_patch_size", [MANY], "no tensor of its weight file is longer than"),
    ("lumina2", "transformer", "ffn_dim_multiplier", MANY, "no tensor of its weight file is longer than"),
    ("qwen-image", "text_encoder", "depth", MANY, "tensors: it asks for more than is there"),
]


def said(model: Path, folder: Path, part: str, content: Callable[[dict[str, Any]], Any]) -> ModelSource:
    """A copy of a model whose part has other settings."""
    shutil.copytree(model, folder / "model")
    path = folder / "model" / part / "config.json"
    path.write_text(json.dumps(content(json.loads(path.read_text()))))
    return ModelSource(str(folder / "model"))


@pytest.mark.parametrize("case", NUMBERS, ids=lambda case: " ".join(map(str, case[:4]))[:60])
def test_a_number_that_nothing_can_be_built_of_is_refused_by_name(
    case: tuple[str, str, str, Any, str], tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    """Ten million layers were built until somebody stopped it; others gave a sentence of a library, or wrong sizes."""
    family, part, name, value, told = case
    source = said(tiny(family), tmp_path, part, lambda own: {**own, name: value})
    with pytest.raises(ModelError, match=told) as refused:
        describe(source)
    assert f"says {name} " in refused.value.message


@pytest.mark.parametrize(("name", "value"), [("temperal_downsample", 1.5), ("latents_mean", None)])
def test_a_vae_whose_space_cannot_be_read_is_refused(
    name: str, value: object, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"cannot be used: its config\.json lacks a setting or holds another kind"):
        describe(said(tiny("qwen-image"), tmp_path, "vae", lambda own: {**own, name: value}))


@pytest.mark.parametrize("family", ["flux", "flux2"])
def test_a_shift_of_nothing_is_refused(family: str, tiny: Callable[[str], Path]) -> None:
    odd = Change("scheduler/scheduler_config.json", ("max_shift",), None)
    answer = answer_to(LocalEngine(), tiny(family), odd, inputs())
    assert answer.startswith("refused: scheduler_config.json of the model says max_shift null; it is a number")


def test_settings_that_are_none_are_refused(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no settings; fetch it again"):
        describe(said(tiny("sd15"), tmp_path, "unet", lambda own: [own]))


@pytest.mark.parametrize(("value", "told"), [(MANY, "more than is there"), (None, "names no diffusers class")])
def test_another_vae_says_its_numbers_too(
    value: int | None, told: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    odd = said(tiny("sd15"), tmp_path, "vae", lambda own: {**own, "layers_per_block": value} if value else [own])
    with pytest.raises(ModelError, match=told):
        describe(ModelSource(str(tiny("sd15")), vae=address_of(f"AutoencoderKL;model={odd.name}/vae", "vae")))


def test_what_nobody_wrote_means_nothing_and_is_taken(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    """Files hold the usual values of settings that they do not use, which are wider than tiny weights."""
    from transformers import CLIPTextConfig

    usual = CLIPTextConfig().to_dict()
    assert describe(said(tiny("sd15"), tmp_path, "text_encoder", lambda own: {**usual, **own})).sources


def wrong(family: str, tiny: Callable[[str], Path], few: int | None) -> list[str]:
    """The changes of a family's settings whose answer is neither our error nor a run."""
    engine, model = LocalEngine(), tiny(family)
    given = inputs("txt2img" if describe(ModelSource(str(model))).family.txt2img else "img2img")
    engine.run(stage_of(model), given)  # what is imported first takes its time
    tried = list(changes(model))
    if few is not None:
        tried = random.Random(0).sample(tried, few)
    answers = [(change, answer_to(engine, model, change, given)) for change in tried]
    return [f"{change}: {answer}" for change, answer in answers if answer.partition(":")[0] not in ("runs", "refused")]


@pytest.mark.parametrize("family", ["sd15", "flux"])
def test_an_odd_setting_is_refused_or_runs(family: str, tiny: Callable[[str], Path]) -> None:
    assert wrong(family, tiny, 12) == []


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_odd_setting_is_refused_or_runs(family: str, tiny: Callable[[str], Path]) -> None:
    assert wrong(family, tiny, None) == []
