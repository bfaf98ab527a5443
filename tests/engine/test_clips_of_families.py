"""Families that make clips of texts: whole and split runs, and what is decoded, against plain diffusers."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.observer import Silent
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import JupyterLatentsError, ModelError, SettingError
from jupyter_latents.stage import Size, Window
from tests.engine.cases import PROMPT, Bench, in_memory, through_file
from tests.engine.test_clips import SCHEDULERS, stage_of

SQUARE = Size(64, 64)


@dataclass(frozen=True)
class Case:
    """A family as it is tried.

    Attributes:
        space: Name of its space.
        size: Of its clips.
        frames: Of each.
        steps: Of the whole schedule.
    """

    space: str
    size: Size = SQUARE
    frames: int = 5
    steps: int = 4

    @property
    def options(self) -> dict[str, Any]:
        """Those of a stage."""
        return {"size": self.size, "num_frames": self.frames, "num_inference_steps": self.steps}


CASES = {
    "ltx": Case("LTX", Size(64, 32)),
    "cogvideox": Case("CogVideoX", frames=9),
    "cogvideox15": Case("CogVideoX", frames=9),
    "hunyuan-video": Case("HunyuanVideo"),
    "hunyuan-video15": Case("HunyuanVideo 1.5"),
    "skyreels": Case("Wan2.1", Size(32, 32)),
}


def plain(folder: Path, case: Case, **options: Any) -> Any:
    """What diffusers' own pipeline makes of the same weights: its latents, or the frames of a clip."""
    import diffusers

    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    guidance: dict[str, Any] = {"guidance_scale": 3.0}
    if getattr(pipeline, "guider", None) is not None:
        pipeline.guider, guidance = pipeline.guider.new(guidance_scale=3.0), {}
    return pipeline(
        prompt=PROMPT, width=case.size.width, height=case.size.height, num_frames=case.frames,
        num_inference_steps=case.steps, generator=torch.Generator("cpu").manual_seed(7), **guidance, **options,
    ).frames  # fmt: skip


def unpacked(found: torch.Tensor, family: str, case: Case) -> torch.Tensor:
    """Latents of diffusers as (batch, channels, frames, height, width)."""
    if family.startswith("cogvideox"):
        return found.transpose(1, 2)
    width, height = case.size.width // 8, case.size.height // 8
    return found.transpose(1, 2).reshape(1, -1, 2, height, width) if family == "ltx" else found


@pytest.mark.parametrize("family", CASES)
def test_clips_of_texts_are_those_of_diffusers_whole_and_split(bench: Bench, family: str):
    case = CASES[family]
    expected = unpacked(plain(bench.folder(family), case, output_type="latent"), family, case)
    whole = bench.engine.run(stage_of(bench, family, **case.options)).latents
    assert (whole.space.name, whole.frames, whole.size) == (
        case.space,
        case.frames,
        (case.size.width, case.size.height),
    )
    assert torch.equal(whole.tensor, expected)
    for step in (1, 3):  # steps of the one run, through memory and through a file
        carry = through_file if step == 1 else in_memory
        given = (carry(whole.at(step=step), bench.scratch),)
        last = bench.engine.run(stage_of(bench, family, **case.options), Inputs(given)).latents
        assert torch.equal(last.tensor, expected), step


SPECIAL = ("cogvideox15", "hunyuan-video15")  # whose decoding is not that of a VAE alone
OTHERS = [pytest.param(family, marks=pytest.mark.slow) for family in CASES if family not in SPECIAL]


@pytest.mark.parametrize("family", [*SPECIAL, *OTHERS])
def test_what_is_decoded_is_what_diffusers_decodes(bench: Bench, family: str):
    seen: list[Any] = []

    class Looks(Silent):
        def step(self, event: Any, look: Any) -> None:
            seen.append(look.preview())

    case = CASES[family]
    run = bench.engine.run(stage_of(bench, family, **case.options), observer=Looks())
    assert [len(one) for (one,) in seen] == [2 if case.frames == 5 else 3] * case.steps
    (clip,), expected = run.images, plain(bench.folder(family), case, output_type="np")[0]
    arrays = [np.asarray(one) for one in clip]
    assert all(np.array_equal(one, (two * 255).round()) for one, two in zip(arrays, expected, strict=True))


def test_ltx_is_told_frames_a_second_and_keeps_them(bench: Bench):
    case = CASES["ltx"]
    expected = unpacked(plain(bench.folder("ltx"), case, output_type="latent", frame_rate=8), "ltx", case)
    made = bench.engine.run(stage_of(bench, "ltx", fps=8.0, window=Window(None, 0.5), **case.options)).latents
    last = bench.engine.run(stage_of(bench, "ltx", **case.options), Inputs((made,))).latents
    assert torch.equal(last.tensor, expected)
    assert last.provenance.options["fps"] == "8"


def test_a_denoiser_that_takes_two_latent_frames_has_one_that_nobody_sees(bench: Bench):
    """As diffusers fills CogVideoX 1.5 up, and leaves the first out when it decodes."""
    case = CASES["cogvideox15"]
    made = bench.engine.run(stage_of(bench, "cogvideox15", **case.options)).latents
    assert (made.shape[2], made.frames, made.space.filler) == (4, 9, 1)
    (clip,) = bench.engine.decode(through_file(made, bench.scratch))
    assert len(clip) == 9
    assert made[0:1].shape[2] == 2
    older = prepare(stage_of(bench, "cogvideox", window=Window(None, 0.5), **case.options)).outline
    with pytest.raises(JupyterLatentsError):
        prepare(stage_of(bench, "cogvideox15", num_frames=None, size=None), Given((older,)))
    with pytest.raises(ModelError, match="does not fill its frames up; it makes clips of texts"):
        prepare(stage_of(bench, "cogvideox15", **case.options), Given(images=((64, 64),) * 9))


@pytest.mark.parametrize("family", ["cogvideox", "cogvideox15"])
def test_frames_that_cogvideox_would_decode_to_others_are_refused(bench: Bench, family: str):
    options = {"size": Size(64, 64)}
    with pytest.raises(ModelError, match="makes 8 frames at a time after the first: 1 or 9 are nearest"):
        prepare(stage_of(bench, family, num_frames=5, **options))
    with pytest.raises(JupyterLatentsError, match="CogVideoXDPMScheduler"):
        prepare(stage_of(bench, family, num_frames=9, scheduler="CogVideoXDPMScheduler", **options))
    clip = bench.engine.run(stage_of(bench, family, num_frames=9, num_inference_steps=1, **options)).latents
    with pytest.raises(SettingError, match="End at 1 or 9"):
        clip[0:5]


@pytest.mark.parametrize("change", [{"stop": 0.5}, {"_class_name": "AdaptiveProjectedGuidance"}])
def test_a_guider_that_does_otherwise_at_other_steps_is_refused(bench: Bench, tmp_path: Path, change: dict[str, Any]):
    other = Path(shutil.copytree(bench.folder("hunyuan-video15"), tmp_path / "other"))
    path = other / "guider" / "guider_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    index = json.loads((other / "model_index.json").read_text())
    guider = ["diffusers", change.get("_class_name", "ClassifierFreeGuidance")]
    (other / "model_index.json").write_text(json.dumps({**index, "guider": guider}))
    with pytest.raises(ModelError, match=r"the guider of .* says (stop 0\.5|AdaptiveProjectedGuidance)"):
        prepare(stage_of(bench, str(other), size=Size(64, 64)))


@pytest.mark.parametrize("family", ["cogvideox", "cogvideox15", "hunyuan-video15"])
def test_families_that_make_one_clip_at_a_time_refuse_several(bench: Bench, family: str):
    """Diffusers' CogVideoX takes the number and makes one clip, HunyuanVideo 1.5 fails in its denoiser."""
    options = CASES[family].options
    with pytest.raises(ModelError, match="makes one clip at a time in diffusers, and 2 are asked for") as caught:
        prepare(stage_of(bench, family, batch_size=2, **options))
    assert caught.value.option == "batch_size"
    shared = prepare(stage_of(bench, family, batch_seeds=True, **options))
    assert any("not as one batch: " in note and "one clip at a time" in note for note in shared.notes)


def test_a_batch_of_clips_has_a_sound_for_each(bench: Bench):
    made = bench.engine.run(
        stage_of(bench, "ltx2", batch_size=2, size=Size(64, 32), num_frames=5, num_inference_steps=2)
    )
    assert (made.latents.shape[0], made.latents.sound.shape[0], len(made.images)) == (2, 2, 2)


@pytest.mark.parametrize("family", ["hunyuan-video", "hunyuan-video15"])
def test_a_scheduler_that_takes_no_sigmas_is_refused_where_the_pipeline_passes_some(bench: Bench, family: str):
    for scheduler in ("FlowMatchHeunDiscreteScheduler", list(SCHEDULERS)[-1]):
        with pytest.raises(ModelError, match=r"passes sigmas of its own, and .* takes none"):
            prepare(stage_of(bench, family, scheduler=scheduler, **CASES[family].options))
