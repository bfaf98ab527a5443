"""Clips: whole and split runs of tiny video models against one whole run of plain diffusers on the same weights."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.given.outline import Outline
from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.engine.models.experts import check_experts
from jupyter_latents.engine.observer import Silent
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import HandoffError, JupyterLatentsError, LatentsError, ModelError, WindowError
from jupyter_latents.latents import CLEAN, Latents
from jupyter_latents.latents.clip import Clip
from jupyter_latents.points import point_of
from jupyter_latents.settings import Settings
from jupyter_latents.stage import ModelSource, Output, Prompt, Size, Stage, Window
from tests.engine.cases import Bench, in_memory, picture, through_file, windows
from tests.engine.models.odd_settings import Change, changed

PROMPT = "a red cat on a mountain"
STEPS, FRAMES = 6, 5
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
SCHEDULERS = {
    "UniPCMultistepScheduler;use_flow_sigmas=true;prediction_type=flow_prediction;flow_shift=3": FLOW,
    "FlowMatchEulerDiscreteScheduler;shift=3": {"shift": 3.0},
    "DPMSolverMultistepScheduler;use_flow_sigmas=true;prediction_type=flow_prediction;flow_shift=3": FLOW,
}
"""As a script names them, and their settings for diffusers."""
BOUNDARY = 2
"""The first step of the second expert, of six: flow shift 3 puts t = 875 there."""


def plain(folder: Path, scheduler: str | None = None, **options: Any) -> torch.Tensor:
    """The latents of one whole run of the pipeline that the folder names."""
    import diffusers

    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    _reschedule(pipeline, scheduler)
    settings = {"height": 32, "width": 32, "num_frames": FRAMES, "num_inference_steps": STEPS, "guidance_scale": 3.0}
    generator = torch.Generator("cpu").manual_seed(7)
    made = pipeline(prompt=PROMPT, generator=generator, output_type="latent", **{**settings, **options})
    return made.frames


def _reschedule(pipeline: Any, scheduler: str | None) -> None:
    """Gives a pipeline another scheduler, as diffusers' own documentation does."""
    import diffusers

    if scheduler is not None:
        kind = getattr(diffusers, scheduler.partition(";")[0])
        pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **SCHEDULERS[scheduler])


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Callable[..., torch.Tensor]:
    """Plain diffusers' answer of a family and a scheduler, asked once."""

    @cache
    def answer(family: str, scheduler: str | None = None) -> torch.Tensor:
        return plain(bench.folder(family), scheduler)

    return answer


def stage_of(bench: Bench, family: str, **options: Any) -> Stage:
    settings = {"num_inference_steps": STEPS, "size": Size(32, 32), "num_frames": FRAMES, **options}
    return bench.stage(family, **settings)


def split(bench: Bench, family: str, cuts: Sequence[float], carry: Any = in_memory, **options: Any) -> Latents:
    given: tuple[Latents, ...] = ()
    for window in windows(*cuts):
        stage = stage_of(bench, family, window=window, **options)
        found = bench.engine.run(stage, Inputs(given)).latents
        given = (carry(found, bench.scratch),)
    return found


UNI_PC, *OTHERS = SCHEDULERS
FEW = [("wan21", UNI_PC), ("wan22", UNI_PC), *(("wan22", scheduler) for scheduler in OTHERS)]
"""The rest is tried with every step below, in full."""


@pytest.mark.parametrize(("family", "scheduler"), FEW)
def test_whole_and_split_runs_are_those_of_diffusers(bench, whole, family, scheduler):
    expected = whole(family, scheduler)
    run = bench.engine.run(stage_of(bench, family, scheduler=scheduler))
    assert torch.equal(run.latents.tensor, expected)
    assert [len(clip) for clip in run.images] == [FRAMES]
    inside, across = (1 / STEPS,), (BOUNDARY / STEPS, 4 / STEPS)
    for cuts in (inside, across) if family == "wan22" else (across,):
        assert torch.equal(split(bench, family, cuts, scheduler=scheduler).tensor, expected), cuts


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("family", ["wan21", "wan22"])
def test_runs_split_after_every_step_are_those_of_diffusers(bench, whole, family, scheduler):
    cuts = tuple(step / STEPS for step in range(1, STEPS))
    for carry in (in_memory, through_file):
        assert torch.equal(split(bench, family, cuts, carry, scheduler=scheduler).tensor, whole(family, scheduler))


def test_a_file_goes_on_from_any_step_across_experts(bench, whole):
    made = bench.engine.run(stage_of(bench, "wan22")).latents
    for step in (1, BOUNDARY, 4):
        given = through_file(made.at(step=step), bench.scratch)
        found = bench.engine.run(stage_of(bench, "wan22"), Inputs((given,))).latents
        assert torch.equal(found.tensor, whole("wan22")), step


CONTINUE = """
import sys
import torch
from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.latents import Latents
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage

torch.set_num_threads(1)
folder, file, steps = sys.argv[1:]
stage = Stage(model=ModelSource(folder), prompt=Prompt("a red cat on a mountain"), num_inference_steps=int(steps),
              guidance_scale=3.0)
torch.save(LocalEngine().run(stage, Inputs((Latents.load(file),))).latents.tensor, file + ".pt")
"""


@pytest.mark.slow  # in this process above, from a file; and test_law.py and test_pickles.py go on in new processes
def test_a_new_process_goes_on_with_the_other_expert(bench, whole):
    window = Window(None, BOUNDARY / STEPS)
    file = bench.engine.run(stage_of(bench, "wan22", window=window)).latents.save(bench.scratch / "high.safetensors")
    arguments = [str(bench.folder("wan22")), str(file), str(STEPS)]
    subprocess.run([sys.executable, "-c", CONTINUE, *arguments], check=True)
    assert torch.equal(torch.load(f"{file}.pt", weights_only=True), whole("wan22"))


def test_history_is_what_tools_without_it_lack(bench, whole):
    stage = stage_of(bench, "wan22", window=Window(None, BOUNDARY / STEPS))
    bare = bench.engine.run(stage).latents.replace(resume=None)
    found = bench.engine.run(stage_of(bench, "wan22"), Inputs((bare,))).latents.tensor
    assert (found - whole("wan22")).norm() / whole("wan22").norm() > 0.01


def test_the_plan_says_which_expert_runs_which_steps(bench):
    prepared = prepare(stage_of(bench, "wan22"))
    assert f"experts: transformer from step 0 to {BOUNDARY}, transformer_2 from step {BOUNDARY} to {STEPS}" in (
        prepared.notes
    )
    assert prepared.outline.shape == (1, 16, 2, 4, 4)
    assert prepare(stage_of(bench, "wan21")).experts == ()


def test_each_expert_may_have_its_own_guidance(bench):
    """As diffusers' ``guidance_scale_2``; as windows, it is two stages that one could have written by hand."""
    stage = stage_of(bench, "wan22", guidance_scale="4@0,2@boundary")
    made = bench.engine.run(stage).latents
    expected = plain(bench.folder("wan22"), guidance_scale=4.0, guidance_scale_2=2.0)
    assert torch.equal(made.tensor, expected)
    assert made.provenance.options["guidance_scale"] == "4@0,2@boundary"
    first = bench.engine.run(replace(stage, window=Window(None, 0.5)))
    last = bench.engine.run(stage, Inputs((first.latents,)))
    assert torch.equal(last.latents.tensor, expected)
    heun = {"num_inference_steps": 6, "scheduler": "FlowMatchHeunDiscreteScheduler"}
    planned = prepare(stage_of(bench, "wan22", guidance_scale="4@0,2@boundary", **heun))
    assert any("needs both experts" in note for note in planned.warnings)
    assert not any("needs both" in note for note in prepare(stage_of(bench, "wan22", **heun)).notes)
    with pytest.raises(WindowError, match="boundary is for models with two experts"):
        prepare(stage_of(bench, "wan21", guidance_scale="4@0,2@boundary"))


def test_a_stage_may_end_at_the_boundary_or_a_noise_level(bench, whole):
    for end in ("boundary", "sigma=0.875"):
        stage = stage_of(bench, "wan22", window=Window(None, point_of(end)))
        made = bench.engine.run(stage)
        assert (made.latents.position.step, made.step_of(stage.window.end)) == (BOUNDARY, BOUNDARY)
        last = bench.engine.run(stage_of(bench, "wan22"), Inputs((made.latents,))).latents
        assert torch.equal(last.tensor, whole("wan22"))
    with pytest.raises(WindowError, match=r"denoising.end boundary is for models with two experts"):
        prepare(stage_of(bench, "wan21", window=Window(None, point_of("boundary"))))


def test_another_expert_for_the_low_levels_is_another_model(bench, tmp_path):
    import shutil

    from jupyter_latents.engine.models.describe import describe
    from tests.tiny import save_folder

    folder = bench.folder("wan22")
    other = shutil.copytree(folder, tmp_path / "other")
    shutil.rmtree(other / "transformer_2")
    shutil.copytree(save_folder("wan21", tmp_path / "third", seed=5) / "transformer", other / "transformer_2")
    one, two = (describe(ModelSource(str(place))) for place in (folder, other))
    assert one.digest != two.digest
    assert one.digests["transformer"] == two.digests["transformer"]


class Peak(Silent):
    """The most bytes of experts that were held at once, and what was held at each step."""

    def __init__(self, cache: ModelCache) -> None:
        self.cache, self.most, self.held = cache, 0, []

    def step(self, event: Any, look: Any) -> None:
        rows = [row for row in self.cache.rows() if "transformer" in row.what]
        self.held.append(sorted(row.what.split()[0] for row in rows))
        self.most = max(self.most, sum(row.size for row in rows))


def test_each_expert_is_read_when_its_first_step_is_reached_and_leaves_for_the_other(bench, whole):
    """Two experts under a budget of one: counted as the shelf counts, and by the modules that are alive."""
    sizes = {row.what.split()[0]: row.size for row in _rows(bench)}
    largest = max(sizes["transformer"], sizes["transformer_2"])
    others = sum(size for name, size in sizes.items() if not name.startswith("transformer"))
    engine = LocalEngine(ModelCache(Settings(model_memory=others + round(1.1 * largest))))
    watching = Peak(engine.cache)
    made = engine.run(stage_of(bench, "wan22"), observer=watching).latents
    assert torch.equal(made.tensor, whole("wan22"))
    assert watching.held == [["transformer"]] * BOUNDARY + [["transformer_2"]] * (STEPS - BOUNDARY)
    assert watching.most <= 1.1 * largest
    gc.collect()
    assert sum(row.size for row in engine.cache.rows()) <= others + 1.1 * largest


def _rows(bench: Bench) -> Any:
    engine = LocalEngine(ModelCache())
    engine.run(stage_of(bench, "wan22"))
    return engine.cache.rows()


def test_a_window_of_one_expert_reads_that_alone(bench):
    engine = LocalEngine(ModelCache())
    engine.run(stage_of(bench, "wan22", window=Window(None, BOUNDARY / STEPS)))
    assert not any("transformer_2" in row.what for row in engine.cache.rows())


def test_a_model_that_lacks_an_expert_is_told_before_weights_load(bench, tmp_path):
    import json
    import shutil

    other = shutil.copytree(bench.folder("wan22"), tmp_path / "high")
    shutil.rmtree(other / "transformer_2")
    index = json.loads((other / "model_index.json").read_text())
    (other / "model_index.json").write_text(json.dumps({**index, "transformer_2": [None, None]}))
    stage = stage_of(bench, str(other))
    with pytest.raises(ModelError, match=f"no transformer_2, which steps {BOUNDARY} to {STEPS} of {STEPS} need"):
        prepare(stage)
    high = bench.engine.run(stage_of(bench, str(other), window=Window(None, BOUNDARY / STEPS)))
    assert high.latents.position.step == BOUNDARY


@pytest.mark.parametrize(("asked", "nearest"), [(80, "77 or 81"), (2, "1 or 5"), (82, "81 or 85")])
def test_frames_that_a_model_cannot_make_name_the_nearest(bench, asked, nearest):
    with pytest.raises(ModelError, match=f"num.frames is {asked}, .* {nearest} are nearest") as caught:
        prepare(stage_of(bench, "wan21", num_frames=asked))
    assert caught.value.option == "num_frames"


@pytest.mark.parametrize("put", [{"optimize": ("channels-last",)}, {"transformer": "other"}])
def test_what_would_change_one_expert_alone_is_refused(put):
    source, (name,) = ModelSource("m", **put), put
    check_experts(source, None)
    with pytest.raises(ModelError, match="is not put on models with two experts yet") as caught:
        check_experts(source, 0.875)
    assert caught.value.option == name


def test_a_stage_that_would_change_one_expert_alone_is_refused_before_weights_load(bench):
    stage = stage_of(bench, "wan22")
    with pytest.raises(ModelError, match="is not put on models with two experts yet"):
        prepare(replace(stage, model=replace(stage.model, transformer=str(bench.folder("wan22")))))


def test_frames_are_those_of_the_latents(bench):
    given = bench.engine.run(stage_of(bench, "wan21", window=Window(None, 0.5))).latents
    assert prepare(stage_of(bench, "wan21", num_frames=None), Given((given,))).call.frames == FRAMES
    with pytest.raises(HandoffError, match="does not fit latents of shape"):
        prepare(stage_of(bench, "wan21", num_frames=9), Given((given,)))


def test_models_of_pictures_make_no_clips(bench):
    for options, message in (
        ({"num_frames": 5}, "num.frames is for models that make clips"),
        ({"fps": 8.0}, "fps is for models that make clips"),
        ({"output": Output(format="mp4")}, "mp4 is for clips"),
    ):
        with pytest.raises(JupyterLatentsError, match=message):
            prepare(bench.stage("sd15", **options))


def test_a_clip_in_the_place_of_a_picture_is_refused_before_weights_load(bench):
    given = bench.engine.run(stage_of(bench, "wan21")).latents
    with pytest.raises(HandoffError, match=r"are a clip, and a picture is wanted.*clip.decode\(\)\[0\]"):
        prepare(bench.stage("sd15"), Given(images=((32, 32),), decoded=(given,)))
    with pytest.raises(HandoffError):
        prepare(bench.stage("sd15"), Given((given,)))
    still = bench.engine.run(bench.stage("sd15", size=Size(32, 32), window=Window(None, 0.5))).latents
    with pytest.raises(HandoffError):
        prepare(stage_of(bench, "wan21"), Given((still,)))


@pytest.mark.parametrize("receiver", ["ltx", "wan21", "wan22-ti2v", "sd15", "qwen-image"])
@pytest.mark.parametrize("giver", ["ltx", "wan21", "wan22-ti2v", "sd15", "qwen-image"])
def test_clips_and_pictures_that_cannot_cross_are_refused_before_weights_load(bench, giver, receiver):
    """Outlines and bare tensors too; pictures cross as ever."""

    def stage(family: str, window: Window) -> Stage:
        frames = {} if family in ("sd15", "qwen-image") else {"num_frames": FRAMES}
        return bench.stage(family, num_inference_steps=4, size=Size(64, 64), window=window, **frames)

    given = prepare(stage(giver, Window(None, 0.5))).outline
    bare = Outline(given.shape, None, given.noise, None, given.provenance, has_history=False)
    still = {"sd15", "qwen-image"}
    if giver == receiver or {giver, receiver} <= still or not still & {giver, receiver}:
        assert prepare(replace(stage(receiver, Window()), size=None, num_frames=None), Given((given,))).verdict
        return
    with pytest.raises(HandoffError, match=r"makes (clips|pictures)"):
        prepare(replace(stage(receiver, Window()), size=None, num_frames=None), Given((given,)))
    with pytest.raises(HandoffError, match=r"makes (clips|pictures)"):
        prepare(replace(stage(receiver, Window()), size=None, num_frames=None), Given((bare,)))


def test_decoded_clips_are_those_of_diffusers_and_keep_their_speed(bench):
    import diffusers

    run = bench.engine.run(stage_of(bench, "wan21", fps=24.0))
    pipeline = diffusers.DiffusionPipeline.from_pretrained(bench.folder("wan21"))
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        PROMPT, height=32, width=32, num_frames=FRAMES, num_inference_steps=STEPS, guidance_scale=3.0,
        generator=torch.Generator("cpu").manual_seed(7), output_type="pil",
    ).frames[0]  # fmt: skip
    (clip,) = run.images
    assert isinstance(clip, Clip)
    assert all(np.array_equal(np.asarray(one), np.asarray(two)) for one, two in zip(clip, expected, strict=True))
    (again,) = bench.engine.decode(run.latents)
    assert (again.fps, again) == (24.0, clip)
    assert run.latents.noise == CLEAN


def test_a_batch_of_clips_decodes_to_one_each(bench):
    run = bench.engine.run(stage_of(bench, "wan21", batch_size=2))
    assert run.latents.shape == (2, 16, 2, 4, 4)
    assert [len(clip) for clip in run.images] == [FRAMES, FRAMES]


PICTURED = ("wan21-i2v", "wan22-i2v", "wan22-ti2v")


def of_picture(folder: Path, scheduler: str | None = None) -> torch.Tensor:
    """The latents of one whole run of diffusers' pipeline that makes clips of a picture."""
    import diffusers

    own = diffusers.DiffusionPipeline.from_pretrained(folder)
    settings = {name: own.config[name] for name in ("boundary_ratio", "expand_timesteps")}
    pipeline = diffusers.WanImageToVideoPipeline(
        **{"image_encoder": None, "image_processor": None, **own.components}, **settings
    )
    pipeline.set_progress_bar_config(disable=True)
    _reschedule(pipeline, scheduler)
    return pipeline(
        picture(64), PROMPT, height=64, width=64, num_frames=FRAMES, num_inference_steps=STEPS, guidance_scale=3.0,
        generator=torch.Generator("cpu").manual_seed(7), output_type="latent",
    ).frames  # fmt: skip


@pytest.mark.parametrize("family", PICTURED)
def test_clips_of_a_picture_are_those_of_diffusers_whole_and_split(bench, family):
    """What TI2V-5B does to its first frame after the loop is part of it."""
    pytest.importorskip("ftfy")
    expected = of_picture(bench.folder(family))
    size = {"size": Size(64, 64)}
    whole = bench.engine.run(stage_of(bench, family, **size), Inputs(images=(picture(64),)))
    assert torch.equal(whole.latents.tensor, expected)
    for carry, step in ((through_file, BOUNDARY), (in_memory, 4)):
        given = (carry(whole.latents.at(step=step), bench.scratch),)
        last = bench.engine.run(stage_of(bench, family, **size), Inputs(given, images=(picture(64),)))
        assert torch.equal(last.latents.tensor, expected), step


def test_a_library_that_diffusers_calls_unasked_is_missed_before_weights_load(bench, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None if name == "ftfy" else object())
    with pytest.raises(ModelError, match=r"WanImageToVideoPipeline cleans its texts with ftfy.*pip install ftfy"):
        prepare(stage_of(bench, "wan22-i2v"), Given(images=((32, 32),)))


def test_ti2v_makes_clips_of_texts_too(bench):
    options = {"height": 64, "width": 64}
    expected = plain(bench.folder("wan22-ti2v"), **options)
    made = bench.engine.run(stage_of(bench, "wan22-ti2v", size=Size(64, 64)))
    assert torch.equal(made.latents.tensor, expected)
    assert (made.latents.size, made.latents.frames) == ((64, 64), FRAMES)


def test_a_clip_of_a_picture_needs_it_at_every_stage(bench):
    pytest.importorskip("ftfy")
    first = prepare(stage_of(bench, "wan22-i2v", window=Window(None, 0.5)), Given(images=((32, 32),))).outline
    for family, given in (("wan22-i2v", ()), ("wan22-i2v", (first,)), ("wan21-i2v", ())):
        with pytest.raises(HandoffError, match="makes clips of a picture, which steers every step"):
            prepare(stage_of(bench, family), Given(given))
    first = prepare(stage_of(bench, "wan22-ti2v", window=Window(None, 0.5)), Given(images=((32, 32),))).outline
    with pytest.raises(HandoffError, match=r"photo\.png;latents=NAME"):
        prepare(stage_of(bench, "wan22-ti2v"), Given((first,)))
    with pytest.raises(ModelError, match="of one picture, and 2 are given"):
        prepare(stage_of(bench, "wan22-i2v"), Given(images=((32, 32), (32, 32))))
    with pytest.raises(ModelError, match="to no strength"):
        prepare(stage_of(bench, "wan22-i2v", strength=0.5), Given(images=((32, 32),)))
    with pytest.raises(ModelError, match="has two experts, and WanVideoToVideoPipeline of diffusers runs one alone"):
        prepare(stage_of(bench, "wan22"), Given(images=((32, 32),)))


def test_previews_are_few_frames_and_change_nothing(bench, whole):
    seen: list[Any] = []

    class Looks(Silent):
        def step(self, event: Any, look: Any) -> None:
            seen.append(look.preview())

    made = bench.engine.run(stage_of(bench, "wan22"), observer=Looks()).latents
    assert torch.equal(made.tensor, whole("wan22"))
    assert [len(one) for (one,) in seen] == [2] * STEPS


def test_dimensions_are_those_that_diffusers_would_make(bench):
    prepared = prepare(stage_of(bench, "wan21", size=Size(72, 40)))
    assert prepared.call.size == (64, 32)
    with changed(bench.folder("wan21"), Change("transformer/config.json", ("rope_max_seq_len",), 1024)) as folder:
        call = prepare(stage_of(bench, str(folder), size=None, num_frames=None)).call
    assert (call.size, call.frames) == ((832, 480), 81)
    assert Prompt().weighter is None


def test_a_long_clip_keeps_some_of_its_steps_and_tells_which(bench, whole, monkeypatch):
    """Where all would take more than may be kept; the last and that between the experts stay, and go on exactly."""
    monkeypatch.setattr("jupyter_latents.engine.run_steps.SETTINGS", Settings(trajectory_memory=20_000))
    told: list[str] = []

    class Notes(Silent):
        def note(self, text: str, *, warning: bool = False) -> None:
            told.append(text)

    made = bench.engine.run(stage_of(bench, "wan22"), observer=Notes()).latents
    assert torch.equal(made.tensor, whole("wan22"))
    steps = made.trajectory.steps
    assert len(steps) < STEPS
    assert {BOUNDARY, STEPS} <= set(steps)
    assert any(f"{STEPS - len(steps)} steps of this clip are not kept" in text for text in told)
    for missing in (step for step in range(1, STEPS) if step not in steps):
        with pytest.raises(LatentsError, match=f"step {missing} is not kept: .*The nearest are"):
            made.at(step=missing)
    last = bench.engine.run(stage_of(bench, "wan22"), Inputs((made.at(step=BOUNDARY),))).latents
    assert torch.equal(last.tensor, whole("wan22"))


def test_clips_of_a_size_that_the_receiver_lacks_are_resized_frame_by_frame(bench):
    made = bench.engine.run(stage_of(bench, "wan21", size=Size(80, 48), window=Window(None, 0.5))).latents
    last = bench.engine.run(stage_of(bench, "ltx", size=None, num_frames=None), Inputs((made,))).latents
    assert (made.size, last.size, last.frames) == ((80, 48), (64, 32), FRAMES)


@pytest.mark.parametrize(("giver", "receiver"), [("wan21", "ltx"), ("ltx", "wan21")])
def test_clips_cross_from_one_space_to_another_through_pixels(bench, giver, receiver):
    """The clean estimate is decoded and encoded, frame for frame, and noised again to the same sigma."""
    from jupyter_latents.engine.vae import codec
    from jupyter_latents.engine.vae.bridge import bridge

    made = bench.engine.run(stage_of(bench, giver, size=Size(64, 32), window=Window(None, 0.5))).latents
    stage = stage_of(bench, receiver, size=None, num_frames=None)
    prepared = prepare(stage, Given((made,)))
    assert prepared.verdict.startswith("bridged space")
    last = bench.engine.run(stage, Inputs((made,)))
    assert (last.latents.frames, last.latents.size, len(last.images[0])) == (FRAMES, (64, 32), FRAMES)
    assert last.latents.shape == prepared.outline.shape
    own, other = (bench.engine.cache.load_vae(ModelSource(str(bench.folder(name)))) for name in (giver, receiver))
    crossed = bridge(made, lambda: own, other, last.latents.space, 32)
    expected = codec.encode(codec.decode(made.denoised, own).clamp(-1, 1), other)
    assert torch.equal(crossed.denoised, expected)
    assert crossed.noise.sigma == pytest.approx(made.noise.sigma)


def test_clips_that_another_space_has_no_frames_for_do_not_cross(bench):
    given = prepare(stage_of(bench, "wan21", size=Size(64, 64), window=Window(None, 0.5))).outline
    for receiver, message in (
        ("cogvideox", r"have 5 frames, and .* makes 8 at a time .* by clip\[0:1\]"),
        ("cogvideox15", "have 5 frames"),
    ):
        with pytest.raises(HandoffError, match=message):
            prepare(stage_of(bench, receiver, size=None, num_frames=None), Given((given,)))
