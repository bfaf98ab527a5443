"""LTX-2: a clip and the sound that travels with it, against one whole run of plain diffusers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.latents import Latents, Resume
from jupyter_latents.stage import Size, Window
from tests.engine.cases import PROMPT, Bench, in_memory, through_file
from tests.engine.test_clips import CONTINUE, SCHEDULERS, stage_of

OPTIONS: dict[str, Any] = {"size": Size(64, 32), "num_frames": 5, "num_inference_steps": 4}
UNI_PC = next(iter(SCHEDULERS))


def both(bench: Bench, scheduler: str | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Clip and sound of diffusers' own run, which gives them as the VAEs' own values, brought to what its loop held."""
    import diffusers

    pipeline = diffusers.DiffusionPipeline.from_pretrained(bench.folder("ltx2"))
    pipeline.set_progress_bar_config(disable=True)
    held: list[torch.Tensor] = []

    class Watched(type(pipeline)):  # type: ignore[misc]
        @staticmethod
        def _denormalize_audio_latents(latents: torch.Tensor, *rest: Any) -> torch.Tensor:
            held.append(latents)
            return latents

        @staticmethod
        def _denormalize_latents(latents: torch.Tensor, *rest: Any) -> torch.Tensor:
            return latents

    watched = Watched(**pipeline.components)
    watched.set_progress_bar_config(disable=True)
    if scheduler is not None:
        kind = getattr(diffusers, scheduler.partition(";")[0])
        watched.scheduler = kind.from_config(pipeline.scheduler.config, **SCHEDULERS[scheduler])
    found = watched(
        PROMPT, width=64, height=32, num_frames=5, num_inference_steps=4, guidance_scale=3.0,
        generator=torch.Generator("cpu").manual_seed(7), output_type="latent",
    )  # fmt: skip
    return found.frames, held[0]


def same(made: Latents, expected: tuple[torch.Tensor, torch.Tensor]) -> bool:
    clip, sound = expected
    return torch.equal(made.tensor, clip) and made.sound is not None and torch.equal(made.sound, sound)


@pytest.mark.parametrize("scheduler", [UNI_PC, pytest.param(None, marks=pytest.mark.slow)])
def test_clip_and_sound_are_those_of_diffusers_whole_and_split(bench: Bench, scheduler: str | None):
    """With UniPC the sound has a history of its own."""
    expected = both(bench, scheduler)
    options = {**OPTIONS, "scheduler": scheduler}
    whole = bench.engine.run(stage_of(bench, "ltx2", **options))
    assert same(whole.latents, expected)
    assert [len(clip) for clip in whole.images] == [5]
    assert same(through_file(whole.latents, bench.scratch), expected)
    for carry, step in ((in_memory, 1), (through_file, 3)):
        made = bench.engine.run(stage_of(bench, "ltx2", window=Window(None, step / 4), **options)).latents
        last = bench.engine.run(stage_of(bench, "ltx2", **options), Inputs((carry(made, bench.scratch),))).latents
        assert same(last, expected), step


@pytest.mark.parametrize(("scheduler", "dtype"), [(UNI_PC, "bfloat16"), ("FlowMatchLCMScheduler", "float32")])
def test_rounding_and_noise_of_a_sound_keep_the_law(bench: Bench, scheduler: str, dtype: str):
    """History in its order in memory; noise from the run's generator, which diffusers' pipeline passes to neither."""
    stage = stage_of(bench, "ltx2", scheduler=scheduler, **OPTIONS)
    stage = replace(stage, model=replace(stage.model, dtype=dtype))
    whole = bench.engine.run(stage).latents
    given = (through_file(whole.at(step=2), bench.scratch),)
    last = bench.engine.run(stage, Inputs(given)).latents
    assert same(last, (whole.tensor, whole.sound))


@pytest.mark.slow  # from a file in this process above
def test_a_new_process_goes_on_with_the_sound(bench: Bench):
    stage = stage_of(bench, "ltx2", window=Window(None, 0.5), **OPTIONS)
    file = bench.engine.run(stage).latents.save(bench.scratch / "half.safetensors")
    subprocess.run([sys.executable, "-c", CONTINUE, str(bench.folder("ltx2")), str(file), "4"], check=True)
    assert torch.equal(torch.load(f"{file}.pt", weights_only=True), both(bench)[0])


def test_a_clip_does_not_go_on_without_its_sound(bench: Bench):
    """It would begin as noise beside a picture that is half done."""
    made = bench.engine.run(stage_of(bench, "ltx2", window=Window(None, 0.5), **OPTIONS)).latents
    again = {**OPTIONS, "size": None, "num_frames": None}
    prepared = prepare(stage_of(bench, "ltx2", **again), Given((made,)))
    assert prepared.entering.exact
    assert any("its sound is made, too" in note for note in prepared.notes)
    assert not any("its sound" in note for note in prepared.warnings)
    assert made.flip().sound is None
    for given, options in (
        (made.flip(), {}),
        (made.replace(resume=None), {}),
        (made.replace(resume=Resume({}, made.resume.generator, made.resume.versions)), {}),
        (made, {"num_inference_steps": 6}),
        (replace(prepare(stage_of(bench, "ltx2", window=Window(None, 0.5), **OPTIONS)).outline, has_history=False), {}),
    ):
        with pytest.raises(HandoffError, match="makes sound with its clips, which goes on only where"):
            prepare(stage_of(bench, "ltx2", **{**again, **options}), Given((given,)))
    with pytest.raises(ModelError, match="LTX-2: diffusers puts a picture through a film codec first"):
        prepare(stage_of(bench, "ltx2", **OPTIONS), Given(images=((64, 32),)))


def test_sound_of_another_length_is_refused(bench: Bench):
    made = bench.engine.run(stage_of(bench, "ltx2", window=Window(None, 0.5), **OPTIONS)).latents
    with pytest.raises(HandoffError, match="the sound of these latents has shape"):
        bench.engine.run(stage_of(bench, "ltx2", fps=4.0, **OPTIONS), Inputs((made,)))
