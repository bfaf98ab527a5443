"""What `prepare()` decides of a stage beside its schedule, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.given.outline import Outline
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.stage import ImageSeed, Reference, Size, Stage, Window
from tests.engine.cases import Bench
from tests.engine.models.odd_settings import Change, changed
from tests.engine.test_clips import stage_of
from tests.tables.steered_files import files_in

HEUN = "HeunDiscreteScheduler"
HALF = Window(None, 0.5)
PICTURE = ((64, 64),)


@pytest.fixture(scope="module")
def half(bench: Bench) -> Outline:
    """Latents after five of ten steps of a picture at 0.7."""
    stage = bench.stage("sd15", window=HALF, strength=0.7)
    return prepare(stage, Given(images=PICTURE)).outline


def steered(bench: Bench, **options: Any) -> Stage:
    """A stage with a ControlNet."""
    stage = bench.stage("sd15", **options)
    return replace(stage, model=replace(stage.model, control_nets=(files_in(bench.scratch / "steered").net,)))


def test_a_loop_counts_from_the_step_of_its_strength(bench: Bench) -> None:
    """Heun's list of ten steps has 19 timesteps, of which five steps take ten."""
    made = prepare(steered(bench, strength=0.5, scheduler=HEUN), Given(images=PICTURE, controls=1))
    (window,) = made.windows
    loop = made.call_of(window).loop
    assert loop is not None
    assert (list(loop.seen), loop.whole) == (list(range(9)), 9)


def test_a_loop_repeats_what_pndm_runs_twice(bench: Bench) -> None:
    given = replace(prepare(steered(bench, window=HALF), Given(controls=1)).outline, has_history=False)
    made = prepare(steered(bench), Given((given,), controls=1))
    (window,) = made.windows
    loop, start = made.call_of(window).loop, made.span.start
    assert loop is not None
    assert list(loop.seen) == [start, start + 1, *range(start + 1, loop.whole)]


def test_an_outline_says_seed_strength_and_model_as_asked(bench: Bench, half: Outline) -> None:
    assert (half.provenance.seed, half.provenance.options["strength"]) == (7, "0.7")
    stage = bench.stage("sd15", seed=None, scheduler="DDIMScheduler;timestep_spacing=trailing")
    made = prepare(replace(stage, model=replace(stage.model, dtype="bfloat16")), Given((half,))).outline.provenance
    assert made.seed == 7
    assert "strength" not in made.options
    assert (made.options["scheduler"], made.options["dtype"]) == ("DDIMScheduler;timestep-spacing=trailing", "bfloat16")


def test_latents_are_noised_to_no_strength_but_their_own_runs(bench: Bench, half: Outline) -> None:
    """Beside a picture the pipeline draws its noise as in the run that they are from."""
    told = "strength 0.5 has no effect beside latents, which carry their noise"
    for asked, notes in ((None, []), (0.7, []), (0.5, [told])):
        made = prepare(bench.stage("sd15", strength=asked), Given((half,), images=PICTURE))
        assert made.arguments["strength"] == 0.7
        assert [note for note in made.notes if "no effect" in note] == notes
    short = prepare(bench.stage("sd15", num_inference_steps=1), Given((half,), images=PICTURE))
    assert short.arguments["strength"] == 1.0, "0.7 of one step is none, which inpainting refuses"
    first = prepare(bench.stage("sdxl", window=HALF)).outline
    assert prepare(bench.stage("sdxl-refiner", strength=0.3), Given((first,))).arguments["strength"] == 1.0


def test_passes_are_counted_by_evaluations(bench: Bench) -> None:
    assert prepare(bench.stage("sd15", scheduler=HEUN)).passes == 2 * 19
    assert prepare(bench.stage("sd15", scheduler=HEUN, guidance_scale=1.0)).passes == 19


def test_a_model_that_takes_the_scale_as_an_input_is_passed_once(bench: Bench) -> None:
    """StableDiffusionPipeline: ``do_classifier_free_guidance`` asks for ``time_cond_proj_dim``."""
    scheduler = "DDIMScheduler"
    with changed(bench.folder("sd15"), Change("unet/config.json", ("time_cond_proj_dim",), 32)) as folder:
        assert prepare(bench.stage(str(folder), scheduler=scheduler)).passes == 10
    assert prepare(bench.stage("sd15", scheduler=scheduler)).passes == 20


def test_a_timestep_at_the_boundary_is_the_first_experts(bench: Bench) -> None:
    """WanPipeline: ``t >= boundary_timestep``."""
    import diffusers

    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(6)
    edge = float(scheduler.timesteps[2])
    stage = stage_of(bench, "wan22", scheduler="FlowMatchEulerDiscreteScheduler;shift=3")
    facts = describe(stage.model)
    assert edge / 1000 * 1000 == edge
    made = prepare(stage, facts=replace(facts, index={**facts.index, "boundary_ratio": edge / 1000}))
    assert [(one.start, one.end) for one in made.experts] == [(0, 3), (3, 6)]


def test_a_picture_that_steers_a_clip_does_not_shape_it(bench: Bench) -> None:
    seed = ImageSeed(images=(Reference("photo", "variable"),))
    stage = stage_of(bench, "wan21-i2v", size=Size(64, 32), image_seed=seed)
    assert prepare(stage, Given(images=((100, 100),))).call.size == (64, 32)


def test_a_size_that_latents_have_rounded_is_theirs(bench: Bench, half: Outline) -> None:
    """A picture of another shape stands beside them, whose size would be 64x40."""
    seed = ImageSeed(images=(Reference("photo", "variable"),))
    given = Given((half,), images=((100, 72),))
    assert prepare(bench.stage("sd15", size=Size(70, 70), image_seed=seed), given).call.size == (64, 64)
    with pytest.raises(HandoffError, match="does not fit latents"):
        prepare(bench.stage("sd15", size=Size(72, 72), image_seed=seed), given)


def test_control_images_without_a_net_are_refused(bench: Bench) -> None:
    with pytest.raises(ModelError, match="1 control images and no ControlNet for them"):
        prepare(bench.stage("sd15"), Given(controls=1))


@pytest.mark.parametrize("name", ["NoSuchPipeline", "DDPMPipeline"])
def test_a_pipeline_that_cannot_be_tapped_is_refused(bench: Bench, name: str) -> None:
    """The class is not there, or has no ``prepare_latents``."""
    facts = describe(bench.stage("sd15").model)
    with pytest.raises(ModelError, match=f"{name} of .* cannot be tapped"):
        prepare(bench.stage("sd15"), facts=replace(facts, family=replace(facts.family, txt2img=name)))
