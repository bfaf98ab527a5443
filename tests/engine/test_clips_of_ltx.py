"""LTX-Video's clips of pictures, and those of its later versions, against one whole run of plain diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.stage import LatentsProcessor, Size, Window
from tests.engine.cases import Bench, in_memory, picture, through_file
from tests.engine.test_clips import FRAMES, PROMPT, SCHEDULERS, STEPS, plain, stage_of
from tests.engine.test_clips_of_clips import clip

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


LEAD: dict[str, Any] = {**SIZE, "num_frames": 9, "num_inference_steps": 4}


def lead(bench: Bench, count: int) -> tuple[tuple[Image.Image, ...], torch.Tensor]:
    """A clip of so many frames, and diffusers' own run that begins with it."""
    import diffusers

    given = tuple(frame.resize((64, 32)) for frame in clip(count))
    pipeline = diffusers.DiffusionPipeline.from_pretrained(bench.folder("ltx-condition"))
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        prompt=PROMPT, width=64, height=32, num_frames=9, num_inference_steps=4, guidance_scale=3.0,
        generator=torch.Generator("cpu").manual_seed(7), output_type="latent",
        **({"image": given[0]} if count == 1 else {"video": [list(given)]}),
    ).frames  # fmt: skip
    return given, expected


@pytest.mark.parametrize("count", [1, 5])
def test_later_versions_begin_with_a_picture_or_a_clip_whole_and_split(bench: Bench, count: int):
    """What they begin with is noised anew before each step, from the run's own draws."""
    (given, expected), options = lead(bench, count), LEAD
    whole = bench.engine.run(stage_of(bench, "ltx-condition", **options), Inputs(images=given)).latents
    assert torch.equal(whole.tensor, expected)
    assert torch.equal(whole.denoised[:, :, 0], whole.tensor[:, :, 0])
    for carry, step in ((in_memory, 1), (through_file, 3)):
        stage = stage_of(bench, "ltx-condition", window=Window(None, step / 4), **options)
        first = carry(bench.engine.run(stage, Inputs(images=given)).latents, bench.scratch)
        last = bench.engine.run(stage_of(bench, "ltx-condition", **options), Inputs((first,), images=given))
        assert torch.equal(last.latents.tensor, expected), step
    with pytest.raises(HandoffError, match="makes clips of a picture, which steers every step"):
        prepare(stage_of(bench, "ltx-condition", **options), Given((first,)))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (((64, 32),) * 4, "is to begin with has 4 frames, .* 1 or 5 are nearest"),
        (((64, 32),) * 13, "has 13 frames, and it is 9 long"),
        (((64, 32),) * 4 + ((32, 32),), "of one size, and here are 64x32 and 32x32"),
    ],
)
def test_what_no_clip_can_begin_with_is_refused_before_weights_load(bench: Bench, sizes: Any, message: str):
    with pytest.raises((HandoffError, ModelError), match=message):
        prepare(stage_of(bench, "ltx-condition", size=Size(64, 32), num_frames=9), Given(images=sizes))


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network of the class that LTX-Video's upscalers are of, as its repositories lay it out."""
    from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel

    from tests.tiny import parts

    folder = tmp_path_factory.mktemp("upscaler")
    network = LTXLatentUpsamplerModel(in_channels=8, mid_channels=32, num_blocks_per_stage=1)
    parts.fill(network, 3).save_pretrained(folder / "latent_upsampler")
    return folder


def three_calls(folder: Path, upscaler: Path, tone: float) -> torch.Tensor:
    """Plain diffusers: a clip, its latents enlarged, and four of ten steps upon them."""
    import diffusers
    from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel

    pipeline = diffusers.LTXConditionPipeline.from_pretrained(folder)
    network = LTXLatentUpsamplerModel.from_pretrained(upscaler / "latent_upsampler")
    enlarge = diffusers.LTXLatentUpsamplePipeline(vae=pipeline.vae, latent_upsampler=network)
    for one in (pipeline, enlarge):
        one.set_progress_bar_config(disable=True)
    settings: dict[str, Any] = {"prompt": PROMPT, "num_frames": FRAMES, "guidance_scale": 3.0, "output_type": "latent"}
    first = pipeline(
        **settings, width=64, height=32, num_inference_steps=STEPS, generator=torch.Generator("cpu").manual_seed(7)
    ).frames
    larger = enlarge(latents=first, output_type="latent", tone_map_compression_ratio=tone).frames
    return pipeline(
        **settings, width=128, height=64, num_inference_steps=10, denoise_strength=0.4, latents=larger,
        generator=torch.Generator("cpu").manual_seed(8),
    ).frames  # fmt: skip


@pytest.mark.parametrize("tone", [0.0, 0.6])
def test_two_stages_with_an_upscaler_between_are_three_calls_of_diffusers(bench: Bench, upscaler: Path, tone: float):
    expected = three_calls(bench.folder("ltx-condition"), upscaler, tone)
    base = bench.engine.run(stage_of(bench, "ltx-condition", **SIZE)).latents
    link = LatentsProcessor("upscaler", {"model": str(upscaler), **({"tone": str(tone)} if tone else {})})
    options: dict[str, Any] = {"seed": 8, "num_inference_steps": 10, "strength": 0.4}
    options |= {"size": None, "num_frames": None, "latents_processors": (link,)}
    prepared = prepare(stage_of(bench, "ltx-condition", **options), Given((base,)))
    assert (prepared.outline.shape, prepared.span.start) == ((1, 8, 2, 8, 16), 6)
    assert prepared.verdict == "changed by upscaler"
    made = bench.engine.run(stage_of(bench, "ltx-condition", **options), Inputs((base,))).latents
    assert torch.equal(made.tensor, expected)
    part = stage_of(bench, "ltx-condition", **options, window=Window(None, 0.8))
    given = through_file(bench.engine.run(part, Inputs((base,))).latents, bench.scratch)
    options = {"num_inference_steps": 10, "size": None, "num_frames": None}
    last = bench.engine.run(stage_of(bench, "ltx-condition", **options), Inputs((given,)))
    assert torch.equal(last.latents.tensor, expected)


def test_noisy_latents_go_through_an_upscaler_at_their_sigma(bench: Bench, upscaler: Path):
    base = bench.engine.run(stage_of(bench, "ltx-condition", window=Window(None, 0.5), **SIZE)).latents
    link = (LatentsProcessor("upscaler", {"model": str(upscaler)}),)
    options: dict[str, Any] = {"size": None, "num_frames": None, "latents_processors": link}
    prepared = prepare(stage_of(bench, "ltx-condition", **options), Given((base,)))
    assert prepared.span.start == 3
    assert prepared.latents.noise.sigma == pytest.approx(base.noise.sigma)
    made = bench.engine.run(stage_of(bench, "ltx-condition", **options), Inputs((base,))).latents
    assert made.shape == prepared.outline.shape


def test_an_upscaler_of_something_else_is_refused_before_weights_load(bench: Bench, upscaler: Path, tmp_path: Path):
    def stage(family: str, name: Path) -> Any:
        link = LatentsProcessor("upscaler", {"model": str(name)})
        return stage_of(bench, family, size=None, num_frames=None, latents_processors=(link,))

    clip = prepare(stage_of(bench, "wan21", window=Window(None, 0.5))).outline
    with pytest.raises(ModelError, match=r"enlarges clips of LTX-Video \(8 channels\), and .* works in Wan2.1 space"):
        prepare(stage("wan21", upscaler), Given((clip,)))
    with pytest.raises(ModelError, match="is a WanTransformer3DModel, and LTXLatentUpsamplerModel is what runs here"):
        prepare(stage("wan21", bench.folder("wan21") / "transformer"), Given((clip,)))
    with pytest.raises(ModelError):
        prepare(stage("wan21", tmp_path), Given((clip,)))


def test_later_versions_of_ltx_are_whole_and_split_as_diffusers_makes_them(bench: Bench):
    expected = plain(bench.folder("ltx-condition"), width=64, height=32, frame_rate=25)
    whole = bench.engine.run(stage_of(bench, "ltx-condition", **SIZE)).latents
    assert torch.equal(whole.tensor, expected)
    for step in (1, 4):
        made = bench.engine.run(stage_of(bench, "ltx-condition", window=Window(None, step / STEPS), **SIZE)).latents
        last = bench.engine.run(stage_of(bench, "ltx-condition", **SIZE), Inputs((through_file(made, bench.scratch),)))
        assert torch.equal(last.latents.tensor, expected), step
    assert torch.allclose(whole.denoised, whole.tensor, atol=1e-4)  # they step by what is added, not by the velocity
    for scheduler in (UNI_PC, "FlowMatchLCMScheduler"):  # the second takes timesteps, and fails at the first step
        with pytest.raises(ModelError, match=r"timesteps of its own, one for each token, and \w+ takes none"):
            prepare(stage_of(bench, "ltx-condition", scheduler=scheduler, **SIZE))
