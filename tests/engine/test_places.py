"""A denoiser has places for so many patches: what is larger is refused before its weights are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.rules.places import check_places, check_tokens
from jupyter_latents.errors import ModelError
from jupyter_latents.latents import Latents
from jupyter_latents.latents.facts import Noise
from jupyter_latents.latents.spaces import find_space
from jupyter_latents.stage import ImageSeed, ModelSource, Size, Stage
from tests.engine.cases import Bench
from tests.engine.models.odd_settings import Change, changed


def refused(stage: Stage, given: Given = Given()) -> ModelError:  # noqa: B008 - frozen
    with pytest.raises(ModelError, match="position embeddings") as caught:
        prepare(stage, given)
    return caught.value


def sized(bench: Bench, family: str, width: int, height: int, **more: Any) -> Stage:
    return replace(bench.stage(family), size=Size(width, height), **more)


def test_all_places_are_used(bench: Bench) -> None:
    prepare(sized(bench, "sd3", 1024, 16))
    error = refused(sized(bench, "sd3", 16, 1040))
    assert "at most 1024x1024 pixels, and this is to be 16x1040 pixels. Give a smaller output size." in str(error)
    assert error.option == "output_size"


@pytest.mark.parametrize("value", [None, [], [1, 2], [[1], [1], [1]], "many", [None] * 3], ids=repr)
@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("lumina2", "axes_lens"),
        ("auraflow", "pos_embed_max_size"),
        ("sd3", "patch_size"),
        ("wan21", "rope_max_seq_len"),
    ],
)
def test_positions_that_are_no_numbers_are_refused_in_words(bench: Bench, family: str, name: str, value: Any) -> None:
    with changed(bench.folder(family), Change("transformer/config.json", (name,), value)) as folder:
        for more in ({}, {"max_sequence_length": 64}):
            with pytest.raises(ModelError):
                prepare(bench.stage(str(folder), **more))


def test_auraflow_finds_its_places_as_diffusers_does(bench: Bench) -> None:
    """Wide pictures reach from row to row of the square, as in diffusers; others have no place."""
    for size in ((1024, 1024), (1280, 768), (1600, 64)):
        prepare(sized(bench, "auraflow", *size))
    for size in ((768, 1280), (16, 1040), (1040, 1024)):
        refused(sized(bench, "auraflow", *size))


def test_a_picture_that_decides_the_size_is_named(bench: Bench) -> None:
    error = refused(replace(bench.stage("sd3"), size=None), Given(images=((1040, 32),)))
    assert "The picture decides it here." in str(error)
    assert error.option is None


def test_latents_are_to_be_made_smaller(bench: Bench) -> None:
    given = Latents(torch.zeros(1, 16, 4, 130), space=find_space("sd3"), noise=Noise(0.5, "flow"))
    stage = replace(bench.stage("sd3"), size=None, image_seed=ImageSeed())
    assert "resize() or crop()" in str(refused(stage, Given(latents=(given,))))


def test_clips_have_places_in_time_too(bench: Bench) -> None:
    facts = describe(bench.stage("wan21").model)
    stage = bench.stage("wan21")
    check_places(stage, Given(), facts, (512, 16), 125)
    with pytest.raises(ModelError, match=r"for at most 125 frames of 512x512 pixels, .* to be 16x16 pixels in 129"):
        check_places(stage, Given(), facts, (16, 16), 129)
    with pytest.raises(ModelError, match="position embeddings"):
        check_places(stage, Given(), facts, (528, 16), 5)


def test_the_table_of_qwen_image_ends_where_texts_do(bench: Bench) -> None:
    stage, most = bench.stage("qwen-image"), 2 * (4096 - 512) * 16
    facts = describe(stage.model)
    check_places(stage, Given(), facts, (most, 16), 1)
    with pytest.raises(ModelError, match="position embeddings"):
        check_places(stage, Given(), facts, (most + 16, 16), 1)


@pytest.mark.parametrize(("places", "fits"), [(16, False), (64, True)])
def test_a_controlnet_has_places_of_its_own(bench: Bench, tmp_path: Path, places: int, fits: bool) -> None:
    from tests.tiny import sd3_controlnet

    made = sd3_controlnet()
    made.register_to_config(pos_embed_max_size=places)
    made.save_pretrained(tmp_path / "control")
    model = ModelSource(str(bench.folder("sd3")), control_nets=(str(tmp_path / "control"),))
    facts = describe(model)
    stage = replace(bench.stage("sd3"), model=model)
    if fits:
        check_places(stage, Given(), facts, (272, 64), 1)
        return
    with pytest.raises(ModelError, match=r"the controlnet.* at most 256x256 pixels"):
        check_places(stage, Given(), facts, (272, 64), 1)


@pytest.mark.parametrize("family", ["sd3", "flux", "kolors", "lumina2", "z-image", "qwen-image"])
def test_the_most_tokens_are_those_of_the_pipeline(bench: Bench, family: str) -> None:
    import inspect
    import re

    import diffusers

    stage = bench.stage(family)
    facts = describe(stage.model)
    for name in filter(None, (facts.family.txt2img, facts.family.img2img, facts.family.inpaint)):
        checks = getattr(getattr(diffusers, name), "check_inputs", None)
        said = re.search(r"max_sequence_length > (\d+)", inspect.getsource(checks)) if checks else None
        assert facts.family.tokens == (int(said[1]) if said else 1024), name
    check_tokens(replace(stage, max_sequence_length=128), facts)
