"""Clips made of clips: whole and split runs against one whole run of plain diffusers on the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import HandoffError, ModelError, SettingError
from jupyter_latents.stage import Size, Window
from tests.engine.cases import Bench, in_memory, through_file
from tests.engine.test_clips import PROMPT, SCHEDULERS, STEPS, stage_of

CLASSES = {"wan21": "WanVideoToVideoPipeline", "cogvideox": "CogVideoXVideoToVideoPipeline"}
STRENGTH, FRAMES = 0.7, 9


def clip(frames: int = FRAMES, side: int = 32) -> tuple[Image.Image, ...]:
    """Frames of soft colours that drift."""
    values = np.random.default_rng(0).integers(0, 255, (4, 12, 3), dtype=np.uint8)
    return tuple(
        Image.fromarray(np.roll(values, number, 1)[:, :4]).resize((side, side), Image.Resampling.BICUBIC)
        for number in range(frames)
    )


def plain(folder: Path, family: str, scheduler: str | None = None) -> torch.Tensor:
    """The latents of one whole run of diffusers' pipeline for a clip."""
    import diffusers

    own = diffusers.DiffusionPipeline.from_pretrained(folder)
    kind = getattr(diffusers, CLASSES[family])
    parts = {name: part for name, part in own.components.items() if name != "transformer_2"}
    pipeline = kind(**parts)
    pipeline.set_progress_bar_config(disable=True)
    if scheduler is not None:
        other = getattr(diffusers, scheduler.partition(";")[0])
        pipeline.scheduler = other.from_config(pipeline.scheduler.config, **SCHEDULERS[scheduler])
    made = pipeline(
        video=list(clip()), prompt=PROMPT, height=32, width=32, num_inference_steps=STEPS, strength=STRENGTH,
        guidance_scale=3.0, generator=torch.Generator("cpu").manual_seed(7), output_type="latent",
    ).frames  # fmt: skip
    return made.transpose(1, 2) if family == "cogvideox" else made


def of_clip(bench: Bench, family: str, **options: Any) -> Any:
    return stage_of(bench, family, num_frames=None, strength=STRENGTH, **options)


CASES = [
    ("wan21", None),
    ("cogvideox", None),
    *(pytest.param("wan21", scheduler, marks=pytest.mark.slow) for scheduler in list(SCHEDULERS)[1:]),
]


@pytest.mark.parametrize(("family", "scheduler"), CASES)
def test_clips_of_clips_are_those_of_diffusers_whole_and_split(bench, family, scheduler):
    """The strength leaves the last four of six steps; a later window takes the clip again, or its latents alone."""
    expected = plain(bench.folder(family), family, scheduler)
    whole = bench.engine.run(of_clip(bench, family, scheduler=scheduler), Inputs(images=clip()))
    assert torch.equal(whole.latents.tensor, expected)
    assert (whole.span.start, whole.latents.frames) == (2, FRAMES)
    for again, carry, step in ((True, through_file, 3), (False, in_memory, 5)):
        stage = of_clip(bench, family, scheduler=scheduler, window=Window(None, step / STEPS))
        given = (carry(bench.engine.run(stage, Inputs(images=clip())).latents, bench.scratch),)
        stage = stage_of(bench, family, scheduler=scheduler, num_frames=None)
        last = bench.engine.run(stage, Inputs(given, images=clip() if again else ()))
        assert torch.equal(last.latents.tensor, expected), step


def test_a_clip_has_frames_a_size_and_a_speed_of_its_own(bench):
    prepared = prepare(of_clip(bench, "wan21", size=None), Given(images=((64, 32),) * 9, fps=12.0))
    assert (prepared.call.frames, prepared.call.size, prepared.call.fps) == (9, (64, 32), 12.0)
    assert prepared.outline.shape == (1, 16, 3, 4, 8)
    cut = prepare(stage_of(bench, "wan21", num_frames=5), Given(images=((64, 32),) * 6))
    assert cut.call.frames == 5
    assert "the first 5 of 6 frames are used" in cut.notes


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (Given(images=((32, 32),)), {}, "makes clips of clips, and one picture is given"),
        (Given(images=((32, 32),) * 4 + ((64, 32),)), {}, "of one size, and here are 32x32 and 64x32"),
        (Given(images=((32, 32),) * 6), {}, r"the clip has 6 frames, .* 5 or 9 are nearest. num.frames 5 takes"),
        (Given(images=((32, 32),) * 5), {"num_frames": 9}, "is 9, and the clip has 5 frames"),
        (Given(images=((32, 32),) * 5), {"batch_size": 2}, "makes one clip at a time of a clip"),
        (Given(images=((32, 32),) * 5), {"seed_image_processors": ("canny",)}, "for pictures, and a clip is given"),
        (Given(), {"num_frames": 5, "fps": 500.0}, "fps is 500.0; it is .* at most 120"),
    ],
)
def test_what_is_no_clip_is_refused_before_weights_load(bench, given, options, message):
    with pytest.raises((HandoffError, ModelError, SettingError), match=message):
        prepare(stage_of(bench, "wan21", **{"num_frames": None, **options}), given)


def test_a_clip_shorter_than_the_latents_beside_it_is_refused(bench):
    clip_of = {frames: Given(images=((32, 32),) * frames) for frames in (5, FRAMES)}
    made = prepare(of_clip(bench, "wan21", window=Window(None, 0.5)), clip_of[FRAMES]).outline
    stage = stage_of(bench, "wan21", num_frames=None)
    assert prepare(stage, replace(clip_of[FRAMES], latents=(made,))).call.frames == FRAMES
    with pytest.raises(HandoffError, match="the clip has 5 frames, and the latents 9"):
        prepare(stage, replace(clip_of[5], latents=(made,)))


def test_families_without_clips_of_clips_say_so(bench):
    given = Given(images=((32, 32),) * 5)
    with pytest.raises(ModelError, match="has two experts, and WanVideoToVideoPipeline of diffusers runs one alone"):
        prepare(stage_of(bench, "wan22"), given)
    with pytest.raises(ModelError, match="HunyuanVideo has no img2img pipeline in diffusers"):
        prepare(stage_of(bench, "hunyuan-video", size=Size(32, 32)), given)
    with pytest.raises(ModelError, match="makes a clip of one picture, and 5 are given"):
        prepare(stage_of(bench, "wan22-ti2v"), given)
