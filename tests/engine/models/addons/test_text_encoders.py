"""Other text encoders: plain diffusers with the same parts, through any window, and refused where they do not fit."""

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
from tests.tiny.words import clip_tokenizer

CASES = {"sd15": ("text_encoder",), "sdxl": ("text_encoder_2",), "sd3": ("text_encoder", "text_encoder_3")}


def others(bench: Bench, family: str) -> tuple[str, ...]:
    """Addresses of encoders with other weights; the model's own where it is not in the way of them."""
    made, names = tinies.build(family, 1), CASES[family]
    folder = bench.scratch / f"{family}-encoders"
    every = sorted(name for name in made.components if name.startswith("text_encoder"))
    for name in names:
        getattr(made, name).save_pretrained(folder / name)
    last = every.index(names[-1])
    return tuple(f"{folder};subfolder={name}" if name in names else "+" for name in every[: last + 1])


def stage(bench: Bench, family: str, named: tuple[str, ...], **options: Any) -> Stage:
    made = bench.stage(family, **options)
    return replace(made, model=replace(made.model, text_encoders=named))


@pytest.mark.parametrize("family", CASES)
def test_they_work_as_in_diffusers_and_keep_the_law(family: str, bench: Bench) -> None:
    named = others(bench, family)
    whole = bench.engine.run(stage(bench, family, named))
    made = plain(bench.folder(family))
    for name in CASES[family]:
        folder = bench.scratch / f"{family}-encoders" / name
        made.register_modules(**{name: type(getattr(made, name)).from_pretrained(folder).eval()})
    generator = torch.Generator().manual_seed(7)
    size = {"num_inference_steps": 10, "width": 64, "height": 64, "output_type": "latent", "guidance_scale": 3.0}
    assert torch.equal(whole.latents.tensor, unpacked(made(PROMPT, generator=generator, **size).images, family))
    first = bench.engine.run(stage(bench, family, named, window=Window(None, 0.5))).latents
    assert equal(whole, bench.engine.run(stage(bench, family, named, window=Window(0.5)), inputs("txt2img", first)))
    assert not equal(whole, bench.whole(family))
    told = [f"{family}-encoders" if name != "+" else "+" for name in named]
    assert whole.latents.provenance.options["text_encoders"] == " ".join(told)


def test_sd3_runs_without_its_third_as_in_diffusers(bench: Bench) -> None:
    named = ("+", "+", "null")
    whole = bench.engine.run(stage(bench, "sd3", named))
    made = plain(bench.folder("sd3"))
    made.register_modules(text_encoder_3=None, tokenizer_3=None)
    generator = torch.Generator().manual_seed(7)
    size = {"num_inference_steps": 10, "width": 64, "height": 64, "output_type": "latent", "guidance_scale": 3.0}
    assert torch.equal(whole.latents.tensor, made(PROMPT, generator=generator, **size).images)
    first = bench.engine.run(stage(bench, "sd3", named, window=Window(None, 0.5))).latents
    assert equal(whole, bench.engine.run(stage(bench, "sd3", named, window=Window(0.5)), inputs("txt2img", first)))
    assert not equal(whole, bench.whole("sd3"))
    source = stage(bench, "sd3", named).model
    assert "text_encoder_3" not in describe(source).parts
    assert describe(source).identity != describe(replace(source, text_encoders=())).identity
    assert whole.latents.provenance.options["text_encoders"] == "+ + null"


def test_all_but_them_is_shared_and_given_back(bench: Bench) -> None:
    cache, source = ModelCache(), stage(bench, "sdxl", others(bench, "sdxl")).model
    cache.load(replace(source, text_encoders=()))
    before = set(cache.parts)
    cache.load(source)
    assert [cache.parts[key].name for key in set(cache.parts) - before] == ["text_encoder_2"]
    assert describe(source).identity != describe(replace(source, text_encoders=())).identity
    cache.unload()
    assert not cache.parts


def test_a_class_may_stand_before_the_name_and_words_may_be_learnt(bench: Bench) -> None:
    (named,) = others(bench, "sd15")
    folder = named.partition(";")[0]
    by_class = f"CLIPTextModel;model={folder};subfolder=text_encoder"
    made = [bench.engine.run(stage(bench, "sd15", (one,))) for one in (named, by_class)]
    assert equal(*made)
    word = tinies.inversion(bench.scratch / "word.safetensors", vectors=1)
    learnt = stage(bench, "sd15", (named,))
    learnt = replace(learnt, model=replace(learnt.model, textual_inversions=(f"{word};token=<fox>",)))
    bench.engine.run(replace(learnt, prompt=replace(learnt.prompt, positive="a <fox>")))


@pytest.mark.parametrize(
    ("family", "named", "message"),
    [
        ("sd15", ("+", "+"), "2 are named, and .* has 1; give no more"),
        ("sd15", ("null",), "null leaves out the third text encoder of SD3 alone, and this .* Write \\+ for its own"),
        ("sd15", ("<wide>",), "does not fit the text_encoder of .*: hidden_size 48, and that has 32"),
        ("sd15", ("<sdxl>;subfolder=text_encoder_2",), "is a CLIPTextModelWithProjection, and the text_encoder of"),
        ("sd15", ("T5EncoderModel;model=<sd15>;subfolder=text_encoder",), "is a CLIPTextModel, and the text_encoder"),
        ("sd15", ("<sd15>;subfolder=vae",), "names no transformers class"),
        ("sd15", ("<sd15>;subfolder=nowhere",), "nowhere"),
        ("sd15", ("<sd15>;mode=clip-l",), "no setting 'mode'"),
        ("sd15", ("<file>",), "is one file, and those are not read yet"),
    ],
)
def test_what_does_not_fit_is_refused_before_weights_load(
    family: str, named: tuple[str, ...], message: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    tinies.parts.clip_text(clip_tokenizer(), hidden_size=48).save_pretrained(tmp_path)
    file = next((tiny("sd15") / "text_encoder").glob("*.safetensors"))
    known = {"<sd15>": str(tiny("sd15")), "<sdxl>": str(tiny("sdxl")), "<file>": str(file), "<wide>": str(tmp_path)}
    for word, path in known.items():
        named = tuple(one.replace(word, path) for one in named)
    with pytest.raises(ModelError, match=message) as caught:
        describe(ModelSource(str(tiny(family)), text_encoders=named))
    assert caught.value.option == "text_encoders"
