"""Weights are put on embeddings as ``docs/prompts.md`` says, against an implementation of that page alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Prompt
from tests.engine.cases import Bench, equal, plain, relative
from tests.engine.prompts.cases import FAMILIES, a1111, prepared, run

# Pieces as the page reads them: (text, weight), None for BREAK. The tiny tokenizers spell most words in letters.
LONG = "over the mountains and the river, a castle in the snow, birds near the water, dog, "
CASES: dict[str, tuple[str, list[Any], str, list[Any]]] = {
    "a weight": ("a (red:1.4) cat", [("a ", 1), ("red", 1.4), (" cat", 1)], "", [("", 1)]),
    "nested": (
        "((a) [red] cat:0.7) dog",
        [("a", 0.77), (" ", 0.7), ("red", 0.7 / 1.1), (" cat", 0.7), (" dog", 1)],
        "(house:-0.5)",
        [("house", -0.5)],
    ),
    "a break": ("(a) cat BREAK dog", [("a", 1.1), (" cat", 1), None, ("dog", 1)], "bird", [("bird", 1)]),
    "long": (LONG * 5 + "(cat)", [(LONG * 5, 1), ("cat", 1.1)], "", [("", 1)]),
    "a longer negative": ("(cat:2)", [("cat", 2)], "fox " + LONG * 4 + "[x]", [("fox " + LONG * 4, 1), ("x", 1 / 1.1)]),
}


@cache
def pipeline(folder: Path) -> Any:
    return plain(folder)


def ids(tokenizer: Any, pieces: list[Any]) -> list[Any]:
    """Step 1: the tokens of the pieces, with their weights; None for BREAK."""
    found: list[Any] = []
    for piece in pieces:
        if piece is None:
            found.append(None)
        else:
            found += [(token, piece[1]) for token in tokenizer(piece[0], add_special_tokens=False)["input_ids"]]
    return found


def cut(tokens: list[Any], comma: int | None) -> list[list[Any]]:
    """Step 2: chunks of 75."""
    if None in tokens:
        at = tokens.index(None)
        rest = tokens[at + 1 :]
        return [*cut(tokens[:at], comma), *(cut(rest, comma) if rest else [])]
    if len(tokens) <= 75:
        return [tokens]
    end = 75
    if tokens[75][0] != comma:
        commas = [place for place in range(55, 75) if tokens[place][0] == comma]
        end = commas[-1] + 1 if commas else 75
    return [tokens[:end], *cut(tokens[end:], comma)]


def clip(encoder: Any, tokenizer: Any, tokens: list[Any], layer: int | None, restore: bool) -> tuple[Any, Any]:
    """Steps 3 to 5 for one chunk of one CLIP: its embeddings and its pooled embedding."""
    numbers = [tokenizer.bos_token_id, *(token for token, _ in tokens), tokenizer.eos_token_id]
    weights = [1.0, *(weight for _, weight in tokens), 1.0]
    numbers += [tokenizer.pad_token_id] * (77 - len(numbers))
    weights += [1.0] * (77 - len(weights))
    made = encoder(torch.tensor([numbers]), output_hidden_states=True)
    embeds = made[0] if layer is None else made.hidden_states[layer]
    pooled = made[0] if layer is not None else None
    weighed = embeds * torch.tensor(weights)[None, :, None]
    if restore and set(weights) != {1.0}:
        weighed = weighed * (embeds.mean() / weighed.mean())
    return weighed, pooled


def t5(encoder: Any, tokenizer: Any, pieces: list[Any], length: int) -> Any:
    """T5's embeddings of all pieces."""
    tokens = [token for token in ids(tokenizer, pieces) if token is not None][: length - 1]
    numbers = [*(token for token, _ in tokens), tokenizer.eos_token_id]
    weights = [*(weight for _, weight in tokens), 1.0]
    numbers += [tokenizer.pad_token_id] * (length - len(numbers))
    weights += [1.0] * (length - len(weights))
    return encoder(torch.tensor([numbers]))[0] * torch.tensor(weights)[None, :, None]


def chunks(tokenizer: Any, pieces: list[Any], commas: bool) -> list[list[Any]]:
    comma = tokenizer(",", add_special_tokens=False)["input_ids"][0] if commas else None
    return cut(ids(tokenizer, pieces), comma)


def clips(made: Any, endings: tuple[str, ...], pieces: list[Any], count: int, restore: bool) -> tuple[Any, Any]:
    """The chunks of some CLIPs side by side, and their pooled embeddings of the first chunk."""
    layer = None if endings == ("",) else -2
    sides, pooled = [], []
    for ending in endings:
        encoder, tokenizer = getattr(made, f"text_encoder{ending}"), getattr(made, f"tokenizer{ending}")
        own = chunks(tokenizer, pieces, restore)
        both = [clip(encoder, tokenizer, chunk, layer, restore) for chunk in [*own, *[[]] * (count - len(own))]]
        sides.append(torch.cat([embeds for embeds, _ in both], dim=1))
        pooled.append(both[0][1])
    return torch.cat(sides, dim=2), pooled


@torch.no_grad()
def embedded(made: Any, family: str, positive: list[Any], negative: list[Any], restore: bool) -> dict[str, Any]:
    """The arguments of a pipeline's call in place of its prompts."""
    count = 1
    if family != "flux":
        count = max(len(chunks(made.tokenizer, pieces, restore)) for pieces in (positive, negative))
    found: dict[str, Any] = {}
    for sign, pieces in (("", positive), ("negative_", negative)):
        if family == "flux":
            if sign:
                continue
            first = chunks(made.tokenizer, pieces, restore)[0]
            numbers = [made.tokenizer.bos_token_id, *(token for token, _ in first), made.tokenizer.eos_token_id]
            numbers += [made.tokenizer.pad_token_id] * (77 - len(numbers))
            found["pooled_prompt_embeds"] = made.text_encoder(torch.tensor([numbers])).pooler_output
            found["prompt_embeds"] = t5(made.text_encoder_2, made.tokenizer_2, pieces, 512)
            continue
        endings = ("",) if family == "sd15" else ("", "_2")
        embeds, pooled = clips(made, endings, pieces, count, restore)
        empty = sign and pieces == [("", 1)]
        if family == "sdxl":
            pooled = pooled[1]
            if empty:
                embeds, pooled = torch.zeros_like(embeds), torch.zeros_like(pooled)
        if family == "sd3":
            whole = t5(made.text_encoder_3, made.tokenizer_3, pieces, 256)
            padded = torch.nn.functional.pad(embeds, (0, whole.shape[2] - embeds.shape[2]))
            embeds, pooled = torch.cat([padded, whole], dim=1), torch.cat(pooled, dim=1)
        found[f"{sign}prompt_embeds"] = embeds
        if family != "sd15":
            found[f"{sign}pooled_prompt_embeds"] = pooled
    return found


@pytest.mark.parametrize("weighter", ["a1111", "sd-embed"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("family", FAMILIES)
def test_weights_do_what_the_page_says(bench: Bench, family: str, case: str, weighter: str) -> None:
    positive, pieces, negative, negative_pieces = CASES[case]
    if family == "flux":
        negative = ""
    ours = run(bench, family, Prompt(positive, negative, weighter=weighter), num_inference_steps=2)
    made = pipeline(bench.folder(family))
    made.scheduler = type(made.scheduler).from_config(made.scheduler.config)
    given = embedded(made, family, pieces, negative_pieces, weighter == "a1111")
    theirs = made(
        **given, num_inference_steps=2, guidance_scale=3.0, width=64, height=64, output_type="latent",
        generator=torch.Generator().manual_seed(7),
    ).images  # fmt: skip
    if family == "flux":
        theirs = made._unpack_latents(theirs, 64, 64, 8)
    assert relative(ours.latents.tensor, theirs) < 1e-5
    unweighed = run(bench, family, Prompt(positive, negative), num_inference_steps=2)
    assert not equal(ours, unweighed)


@pytest.mark.parametrize(
    ("written", "text"), [("a (red:1.0) cat", "a red cat"), ("\\(half", "(half"), ("a cat", "a cat")]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_text_without_weights_is_the_pipelines_own(bench: Bench, family: str, written: str, text: str) -> None:
    negative = "" if family == "flux" else "dog"
    ours = run(bench, family, a1111(written, negative and "(dog:1)"), num_inference_steps=2)
    assert equal(ours, run(bench, family, Prompt(text, negative), num_inference_steps=2))


def test_a_prompt_of_its_own_for_each_encoder_has_its_own_weights(bench: Bench) -> None:
    both = run(bench, "sdxl", a1111("a cat", second="a (dog:1.5)"), num_inference_steps=2)
    assert not equal(both, run(bench, "sdxl", a1111("a cat", second="a dog"), num_inference_steps=2))
    assert not equal(both, run(bench, "sdxl", a1111("a (cat:1.5)", second="a dog"), num_inference_steps=2))


def test_a_batch_of_one_prompt_has_the_same_weights_for_each(bench: Bench) -> None:
    alone = run(bench, "sd15", a1111("a (red:1.4) cat"), num_inference_steps=2)
    several = run(bench, "sd15", a1111("a (red:1.4) cat"), num_inference_steps=2, batch_size=2)
    assert relative(several.latents.tensor[:1], alone.latents.tensor) < 1e-4


def test_the_refiner_reads_weights(bench: Bench) -> None:
    weighed = run(bench, "sdxl-refiner", a1111("a (red:1.4) cat"), mode="img2img", num_inference_steps=3)
    assert not equal(weighed, run(bench, "sdxl-refiner", Prompt("a red cat"), mode="img2img", num_inference_steps=3))


def test_clip_skip_and_weights_go_together(bench: Bench) -> None:
    weighed = run(bench, "sd15", a1111("a (red:1.4) cat"), num_inference_steps=2, clip_skip=1)
    assert not equal(weighed, run(bench, "sd15", a1111("a (red:1.4) cat"), num_inference_steps=2))


@pytest.mark.parametrize("family", ["kolors", "z-image", "qwen-image"])
def test_other_families_are_refused_by_name(bench: Bench, family: str) -> None:
    with pytest.raises(ModelError, match=r"weights in prompts are not read for .*; they are for SD, SDXL, SD3"):
        prepared(bench, family, a1111("a cat"))
