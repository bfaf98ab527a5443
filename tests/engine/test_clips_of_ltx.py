"""LTX-Video's clips of pictures, and those of its later versions, against one whole run of plain diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.stage import Size, Window
from tests.engine.cases import Bench, in_memory, picture, through_file
from tests.engine.test_clips import FRAMES, PROMPT, SCHEDULERS, STEPS, plain, stage_of

SIZE = {"size": Size(64, 32)}
UNI_PC = next(iter(SCHEDULERS))


def of_picture(folder: Path, scheduler: str | None, height: int = 32) -> torch.Tensor:
    """The latents of one whole run, (1, channels, frames, height, width)."""
    import diffusers

    own = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipeline = diffusers.LTXImageToVideoPipeline(**own.components)
    pipeline.set_progress_bar_config(disable=True)
    if scheduler is not None:
        kind = getattr(diffusers, scheduler.partition(";")[0])
        pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **SCHEDULERS[scheduler])
    made = pipeline(
        picture(64).resize((64, height)), PROMPT, height=height, width=64, num_frames=FRAMES, num_inference_steps=STEPS,
        frame_rate=25, guidance_scale=3.0, generator=torch.Generator("cpu").manual_seed(7), output_type="latent",
    ).frames  # fmt: skip
    return made.transpose(1, 2).reshape(1, -1, 2, height // 8, 8)


@pytest.mark.parametrize("scheduler", [None, UNI_PC])
def test_ltx_makes_clips_of_pictures_whole_and_split(bench: Bench, scheduler: str | None):
    """The scheduler steps the frames after the first alone; with UniPC its history is of these, too."""
    expected = of_picture(bench.folder("ltx"), scheduler)
    options: dict[str, Any] = {**SIZE, "scheduler": scheduler}
    whole = bench.engine.run(stage_of(bench, "ltx", **options), Inputs(images=(picture(64),))).latents
    assert torch.equal(whole.tensor, expected)
    assert whole.at(step=4).denoised.shape == whole.shape
    for carry, step in ((in_memory, 1), (through_file, 4)):
        stage = stage_of(bench, "ltx", window=Window(None, step / STEPS), **options)
        first = bench.engine.run(stage, Inputs(images=(picture(64),))).latents
        given = (carry(first, bench.scratch),)
        last = bench.engine.run(stage_of(bench, "ltx", **options), Inputs(given, images=(picture(64),)))
        assert torch.equal(last.latents.tensor, expected), step
    with pytest.raises(HandoffError, match="makes clips of a picture, which steers every step"):
        prepare(stage_of(bench, "ltx", **options), Given((whole.at(step=4),)))


def test_later_versions_of_ltx_are_whole_and_split_as_diffusers_makes_them(bench: Bench):
    expected = plain(bench.folder("ltx-condition"), width=64, height=32, frame_rate=25)
    whole = bench.engine.run(stage_of(bench, "ltx-condition", **SIZE)).latents
    assert torch.equal(whole.tensor, expected)
    for step in (1, 4):
        made = bench.engine.run(stage_of(bench, "ltx-condition", window=Window(None, step / STEPS), **SIZE)).latents
        last = bench.engine.run(stage_of(bench, "ltx-condition", **SIZE), Inputs((through_file(made, bench.scratch),)))
        assert torch.equal(last.latents.tensor, expected), step
    assert torch.allclose(whole.denoised, whole.tensor, atol=1e-4)  # they step by what is added, not by the velocity
    with pytest.raises(ModelError, match=r"LTX-Video 0.9.5: pictures and clips that condition it are not taken yet"):
        prepare(stage_of(bench, "ltx-condition", **SIZE), Given(images=((64, 32),)))
    with pytest.raises(ModelError, match="passes timesteps of its own, and UniPCMultistepScheduler takes none"):
        prepare(stage_of(bench, "ltx-condition", scheduler=UNI_PC, **SIZE))
