"""Textual inversions: words of their own, as plain diffusers reads them, through any window and with weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.prompts.tokens import Tokens, chunks_of
from jupyter_latents.errors import ModelError
from jupyter_latents.prompts import attention
from jupyter_latents.stage import ModelSource, Prompt, Stage, Window
from tests import tiny as tinies
from tests.engine.cases import Bench, equal, inputs, plain

WIDTHS = {"sd15": (32,), "sdxl": (32, 16)}
TEXT = "a red <fox> on a mountain"


def stage(bench: Bench, family: str, text: str = TEXT, weighter: str | None = None, **options: Any) -> Stage:
    made = bench.stage(family, **options)
    word = tinies.inversion(bench.scratch / f"{family}.safetensors", widths=WIDTHS[family])
    model = replace(made.model, textual_inversions=(f"{word};token=<fox>",))
    return replace(made, model=model, prompt=Prompt(text, weighter=weighter))


def reference(bench: Bench, family: str) -> torch.Tensor:
    """What diffusers makes, called as its documentation shows."""
    from safetensors.torch import load_file

    made = plain(bench.folder(family))
    vectors = load_file(bench.scratch / f"{family}.safetensors")
    for name, ending in (("<fox>", ""), ("clip_l", ""), ("clip_g", "_2")):
        if name in vectors:
            encoder, tokenizer = getattr(made, f"text_encoder{ending}"), getattr(made, f"tokenizer{ending}")
            made.load_textual_inversion(vectors[name], token="<fox>", text_encoder=encoder, tokenizer=tokenizer)
    options = {"guidance_scale": 3.0, "num_inference_steps": 10, "width": 64, "height": 64, "output_type": "latent"}
    latents: torch.Tensor = made(TEXT, generator=torch.Generator().manual_seed(7), **options).images
    return latents


@pytest.mark.parametrize("family", WIDTHS)
def test_a_word_is_read_as_diffusers_reads_it_and_keeps_the_law(family: str, bench: Bench) -> None:
    whole = bench.engine.run(stage(bench, family))
    assert torch.equal(whole.latents.tensor, reference(bench, family))
    first = bench.engine.run(stage(bench, family, window=Window(None, 0.5)))
    last = bench.engine.run(stage(bench, family, window=Window(0.5)), inputs("txt2img", first.latents))
    assert equal(whole, last)
    without = replace(bench.stage(family), prompt=Prompt(TEXT))
    assert not equal(whole, bench.engine.run(without)), "the word has an effect, and other stages know nothing of it"
    assert whole.latents.provenance.options["textual_inversions"] == f"{family}.safetensors;token=<fox>"


def test_all_vectors_of_a_word_take_its_weight(bench: Bench) -> None:
    source = stage(bench, "sd15").model
    tokenizer = ModelCache().load(source).parts["tokenizer"]
    chunk = chunks_of(Tokens(tokenizer, whole=False), attention("a (<fox>:1.5) cat"), commas=True)[0]
    assert [token.weight for token in chunk] == [1.0, 1.5, 1.5, 1.0]
    assert tokenizer.convert_ids_to_tokens([token.number for token in chunk])[1:3] == ["<fox>", "<fox>_1"]
    plainly = bench.engine.run(stage(bench, "sd15"))
    assert equal(bench.engine.run(stage(bench, "sd15", "a red (<fox>:1.0) on a mountain", "a1111")), plainly)
    assert not equal(bench.engine.run(stage(bench, "sd15", "a red (<fox>:1.5) on a mountain", "a1111")), plainly)


def test_its_parts_leave_with_the_model(bench: Bench) -> None:
    cache, source = ModelCache(), stage(bench, "sd15").model
    cache.load(replace(source, textual_inversions=()))
    before = set(cache.parts)
    cache.load(source)
    assert {cache.parts[key].name for key in set(cache.parts) - before} == {"tokenizer", "text_encoder"}
    cache.unload()
    assert not cache.parts


def test_a_word_and_a_lora_go_together(bench: Bench) -> None:
    pytest.importorskip("peft")
    made = stage(bench, "sd15")
    style = str(tinies.lora(bench.scratch / "style.safetensors"))
    both = replace(made, model=replace(made.model, loras=(style,)))
    parts = ModelCache().load(both.model).parts
    assert "lora_0" in parts["unet"].peft_config
    assert parts["text_encoder"].get_input_embeddings().weight.shape[0] == len(parts["tokenizer"])


@pytest.mark.parametrize(
    ("family", "made", "settings", "message"),
    [
        ("sd15", {"widths": (48,)}, "", "is of another family: its vectors have 48 values, .* read 32"),
        ("sdxl", {}, "", "is of another family: its vectors have 32 values, .* read 32 and 16"),
        ("sd15", {"widths": (32, 16)}, "", "is of another family: its vectors have 32 and 16 values, .* read 32"),
        ("sd15", {}, ";token=cat</w>", "the tokenizer of .* has the word 'cat</w>' already"),
        ("sd15", {}, ";token=a b", "is no single word"),
        ("sd15", {}, ";word=x", "no setting 'word'"),
        ("sd3", {}, "", "textual inversions are read by SD and SDXL alone"),
    ],
)
def test_what_does_not_fit_is_refused_before_weights_load(
    family: str, made: dict[str, Any], settings: str, message: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    word = tinies.inversion(tmp_path / "word.safetensors", **made)
    with pytest.raises(ModelError, match=message) as caught:
        describe(ModelSource(str(tiny(family)), textual_inversions=(f"{word}{settings}",)))
    assert caught.value.option == "textual_inversions"


def test_a_word_comes_from_the_file_or_its_name_and_is_missed_in_a_prompt(
    tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    bare = tinies.inversion(tmp_path / "owl.safetensors", None)
    model = ModelSource(str(tiny("sd15")), textual_inversions=(str(bare),))
    assert not prepare(Stage(model=model, prompt=Prompt("an owl"))).notes
    (note,) = prepare(Stage(model=model, prompt=Prompt("an (olw)"))).notes
    assert note == "no prompt holds owl, the word of a textual inversion; did you mean olw?"


@pytest.mark.parametrize("prompt", ["an <olw>", "an <owl> and [<owl>:<olw>:0.5]", "an (<olw>:1.2)"])
def test_an_unknown_word_in_angle_brackets_is_refused_before_weights_load(bench: Bench, prompt: str) -> None:
    word = tinies.inversion(bench.scratch / "bird.safetensors")
    model = replace(bench.stage("sd15").model, textual_inversions=(f"{word};token=<owl>",))
    with pytest.raises(ModelError, match=r"holds <olw>, .*; did you mean <owl>\? The word is <owl>") as caught:
        prepare(Stage(model=model, prompt=Prompt(prompt)))
    assert caught.value.option == "prompts"
    for options, dest in (({"negative": "<olw>"}, "negative_prompts"), ({"second": "<olw>"}, "second_prompts")):
        with pytest.raises(ModelError, match="holds <olw>") as caught:
            prepare(Stage(model=model, prompt=Prompt("an <owl>", **options)))
        assert caught.value.option == dest
    prepare(Stage(model=model, prompt=Prompt("an <owl> <3 <|endoftext|>")))


TEXT_WORD = "<owl> is painted as text: "
GIVEN_BY = "no textual inversions are given, which would teach the model it"


@pytest.mark.parametrize(
    ("family", "prompt", "note"),
    [
        ("sd15", Prompt("an <owl>, <owl>"), TEXT_WORD + GIVEN_BY),
        ("sdxl", Prompt("owl", negative="(<owl>:1.2)"), TEXT_WORD + GIVEN_BY),
        (
            "sd15",
            Prompt("<owl> <fox>"),
            "<owl>, <fox> are painted as text: no textual inversions are given, which would teach the model them",
        ),
        ("sd3", Prompt("owl", third="an <owl>"), TEXT_WORD + "SD3 reads no textual inversions"),
        ("flux", Prompt("an <owl>"), TEXT_WORD + "Flux.1 reads no textual inversions"),
        ("sd15", Prompt("<3 a <lora:owl:0.8> <|endoftext|> 1 < 2 and 4 > 3 <>"), ""),
        ("flux", Prompt("an <pad> <unk>"), ""),
        ("sd15", Prompt("an owl"), ""),
    ],
)
def test_a_word_in_angle_brackets_that_nothing_gives_is_told_to_be_text(
    family: str, prompt: Prompt, note: str, tiny: Callable[[str], Path]
) -> None:
    made = prepare(Stage(model=ModelSource(str(tiny(family))), prompt=prompt))
    assert [one for one in made.warnings if "painted as text" in one] == [
        one for one in made.notes if "painted as text" in one
    ]
    assert "".join(one for one in made.warnings if "painted as text" in one).startswith(note)
    assert any("painted as text" in one for one in made.notes) == bool(note)


def test_a_word_that_the_tokenizer_knows_is_none_to_tell(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(tiny("sd15"), tmp_path / "taught")
    stage = Stage(model=ModelSource(str(folder)), prompt=Prompt("an <owl>"))
    assert any(TEXT_WORD in one for one in prepare(stage).notes)
    (folder / "tokenizer" / "added_tokens.json").write_text('{"<owl>": 998}')
    assert not any(TEXT_WORD in one for one in prepare(stage).notes)
