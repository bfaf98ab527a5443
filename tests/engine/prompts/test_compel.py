"""Prompts in compel's grammar: what plain diffusers makes of the embeddings that compel gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.stage import Prompt, Window
from tests.engine.cases import Bench, plain
from tests.engine.prompts.cases import prepared, run
from tests.session.conftest import Desk, desk  # noqa: F401 - a fixture

compel = pytest.importorskip("compel")
TEXT, HIDDEN = "a (red barn)++ and a cat-", "(fox)1.4"


def embeddings(pipeline: Any, text: str, hidden: str) -> dict[str, torch.Tensor]:
    """What compel gives a pipeline, by the names of its call."""
    wrapped = (compel.CompelForSDXL if hasattr(pipeline, "text_encoder_2") else compel.CompelForSD)(pipeline)
    made = wrapped(text, negative_prompt=hidden)
    found = {"prompt_embeds": made.embeds, "negative_prompt_embeds": made.negative_embeds}
    if made.pooled_embeds is not None:
        found["pooled_prompt_embeds"] = made.pooled_embeds
        found["negative_pooled_prompt_embeds"] = made.negative_pooled_embeds
    return found


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_stage_equals_plain_diffusers_on_compels_embeddings(bench: Bench, family: str) -> None:
    steps = {"num_inference_steps": 4}
    ours = run(bench, family, Prompt(TEXT, HIDDEN, weighter="compel"), **steps)
    pipeline = plain(bench.folder(family))
    with torch.no_grad():
        given = embeddings(pipeline, TEXT, HIDDEN)
    theirs = pipeline(
        **given, **steps, guidance_scale=3.0, generator=torch.Generator().manual_seed(7), output_type="latent",
        width=64, height=64,
    ).images  # fmt: skip
    assert torch.equal(ours.latents.tensor, theirs)
    other = run(bench, family, Prompt(TEXT, HIDDEN), **steps)
    assert not torch.equal(ours.latents.tensor, other.latents.tensor)
    first = run(bench, family, Prompt(TEXT, HIDDEN, weighter="compel"), window=Window(None, 0.5), **steps)
    rest = run(bench, family, Prompt(TEXT, HIDDEN, weighter="compel"), first.latents, window=Window(0.5), **steps)
    assert torch.equal(rest.latents.tensor, ours.latents.tensor)


def test_a1111s_weights_become_pluses_and_minuses(bench: Bench) -> None:
    steps = {"num_inference_steps": 2}
    ours = run(bench, "sd15", Prompt("a (red:1.2) [cat]", weighter="compel;syntax=sdwui"), **steps)
    theirs = run(bench, "sd15", Prompt("a (red)++ (cat)-", weighter="compel"), **steps)
    assert torch.equal(ours.latents.tensor, theirs.latents.tensor)


def test_no_guidance_and_several_pictures(bench: Bench) -> None:
    steps = {"num_inference_steps": 2, "guidance_scale": 1.0}
    two = run(bench, "sdxl", Prompt(TEXT, weighter="compel"), batch_size=2, **steps)
    assert two.latents.shape[0] == 2
    alone = run(bench, "sdxl", Prompt("cat", weighter="compel"), **steps)
    assert torch.isfinite(alone.latents.tensor).all()


@pytest.mark.parametrize(
    ("family", "text", "more", "says", "option"),
    [
        ("sd3", "a cat", {}, "compel encodes prompts for SD and SDXL here", "prompt_weighter"),
        ("sd15", "a cat", {"clip_skip": 1}, "leave clip skips out", "clip_skips"),
        ("sd15", "a cat.swap(dog)", {}, "changes attention", "prompts"),
    ],
)
def test_what_compel_leaves_to_others_is_refused(
    bench: Bench, family: str, text: str, more: Any, says: str, option: str
) -> None:
    with pytest.raises(JupyterLatentsError, match=says) as caught:
        prepared(bench, family, Prompt(text, weighter="compel"), **more)
    assert caught.value.option == option


def test_a_published_script_runs_with_its_refiner(desk: Desk) -> None:  # noqa: F811
    script = """
<sdxl> --model-type torch-sdxl
--sdxl-refiner <sdxl-refiner>
--sdxl-high-noise-fractions 0.5
--inference-steps 4 --seeds 1
--output-size 64
--prompt-weighter {}
--second-model-prompt-weighter compel
--prompts "Photo+ of a horse+ near the (open door)+, (high resolution)++; artwork"
"""
    run = desk.run(script.format("compel"))
    other = desk.run(script.format("'compel;syntax=sdwui'").replace("+", ""))
    assert not torch.equal(run.results[-1].latents.tensor, other.results[-1].latents.tensor)
