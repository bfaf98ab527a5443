"""Clean latents noised to a strength, as image-to-image pipelines of diffusers noise latents in a picture's place."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import WindowError
from jupyter_latents.points import point_of
from jupyter_latents.stage import LatentsProcessor, Size, Window
from tests.engine.cases import PROMPT, Bench, through_file
from tests.engine.test_clips import BOUNDARY, STEPS, stage_of

STRENGTH = 0.6


def plain(bench: Bench, family: str, clean: torch.Tensor, scheduler: str | None) -> torch.Tensor:
    import diffusers

    pipeline = diffusers.AutoPipelineForImage2Image.from_pretrained(bench.folder(family))
    pipeline.set_progress_bar_config(disable=True)
    if scheduler is not None:
        pipeline.scheduler = getattr(diffusers, scheduler).from_config(pipeline.scheduler.config, clip_sample=False)
    height, width = (8 * side for side in clean.shape[-2:])
    sides = {"height": height, "width": width} if family == "sd3" else {}
    made = pipeline(
        PROMPT, image=clean, strength=STRENGTH, num_inference_steps=10, guidance_scale=3.0, **sides,
        generator=torch.Generator("cpu").manual_seed(9), output_type="latent",
    )  # fmt: skip
    return made.images


@pytest.mark.parametrize(
    ("family", "scheduler"),
    [("sd15", "DDIMScheduler"), ("sd15", "EulerAncestralDiscreteScheduler"), ("sd3", None)],
)
def test_clean_latents_at_a_strength_are_those_of_diffusers(bench: Bench, family: str, scheduler: str | None):
    base = bench.whole(family).latents
    options: dict[str, Any] = {"seed": 9, "scheduler": scheduler, "size": None}
    expected = plain(bench, family, base.tensor, scheduler)
    stage = bench.stage(family, strength=STRENGTH, **options)
    prepared = prepare(stage, Given((base,)))
    assert prepared.span.start == 4
    assert any(note.startswith("clean latents are noised to") for note in prepared.notes)
    assert not any("has no effect" in note for note in prepared.notes)
    whole = bench.engine.run(stage, Inputs((base,))).latents
    assert torch.equal(whole.tensor, expected)
    part = bench.stage(family, strength=STRENGTH, window=Window(None, 0.7), **options)
    first = bench.engine.run(part, Inputs((base,)))
    given = through_file(first.latents, bench.scratch)
    last = bench.engine.run(bench.stage(family, **{**options, "seed": None}), Inputs((given,))).latents
    assert torch.equal(last.tensor, expected)
    if family == "sd15":  # SD3's rule rounds up to a step
        with pytest.raises(WindowError, match=r"strength 0.05 of 10 steps leaves no step"):
            prepare(bench.stage(family, strength=0.05, **options), Given((base,)))


def test_noised_latents_know_where_experts_meet(bench: Bench):
    clean = prepare(stage_of(bench, "wan22")).outline
    options: dict[str, Any] = {"size": None, "window": Window(None, point_of("boundary"))}
    planned = prepare(stage_of(bench, "wan22", strength=0.9, **options), Given((clean,)))
    assert (planned.span.start, planned.span.end) == (1, BOUNDARY)
    with pytest.raises(WindowError):
        prepare(stage_of(bench, "wan22", strength=STRENGTH, **options), Given((clean,)))


def test_a_strength_begins_at_the_step_of_the_familys_own_rule(bench: Bench):
    """SD3's pipeline begins at the step below N - N * strength; a family without image to image at N - int of it."""
    for family, strength, first in (("sd3", 0.55, 4), ("lumina2", 0.57, 5)):
        clean = prepare(bench.stage(family)).outline
        assert prepare(bench.stage(family, strength=strength), Given((clean,))).span.start == first
        assert prepare(bench.stage(family, strength=1.0), Given((clean,))).span.start == 0
    with pytest.raises(WindowError, match=r"strength 0.05 of 10 steps leaves no step"):
        prepare(bench.stage("lumina2", strength=0.05), Given((clean,)))


def test_latents_are_enlarged_on_their_way_in(bench: Bench):
    """Clean ones, noisy ones at the same sigma, and clips; what is planned is what runs."""
    for family, made in (
        ("sd15", bench.whole("sd15").latents),
        ("sd15", bench.whole("sd15").latents.at(0.5)),
        ("wan21", bench.engine.run(stage_of(bench, "wan21")).latents.at(step=STEPS // 2)),
    ):
        upscale = (LatentsProcessor("upscale", {"factor": "2"}),)
        options: dict[str, Any] = {"latents_processors": upscale, "size": None, "num_inference_steps": STEPS}
        options |= {"strength": STRENGTH} if made.is_clean else {}
        stage = bench.stage(family, **options)
        prepared = prepare(stage, Given((made,)))
        assert prepared.call.size == tuple(2 * side for side in made.size)
        assert prepared.latents.noise == made.noise
        assert torch.equal(prepared.latents.tensor, made.resize(prepared.call.size).tensor)
        assert prepared.verdict == "changed by upscale"
        run = bench.engine.run(stage, Inputs((made,)))
        assert run.latents.shape == prepared.outline.shape
        assert run.latents.is_clean
    assert Size(*prepared.call.size) == Size(64, 64)
