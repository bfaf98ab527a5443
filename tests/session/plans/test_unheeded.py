"""What is asked for and can have no effect is refused or told, in the plan as in the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.stage import ModelSource, Stage
from tests import tiny as tinies
from tests.engine.cases import picture
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

RUN = "--prompts cat --inference-steps 4 --guidance-scales 1"


@pytest.fixture
def half(desk: Desk) -> Desk:
    """A session with latents ``base``, two pictures and a pair of latents."""
    desk.session.names |= {"photo": picture(64), "wide": picture(64).resize((96, 64))}
    desk.run(f"<sd15> {RUN} --seeds 3 --denoising-end 0.5 --output-size 64 --into base")
    desk.run(f"<sd15> {RUN} --seeds 3 --denoising-end 0.5 --output-size 64 --batch-size 2 --into pair")
    return desk


def refusal(desk: Desk, script: str) -> str:
    (planned,) = desk.plan(script).stages
    with pytest.raises(JupyterLatentsError) as refused:
        desk.run(script)
    assert planned.refused == refused.value.message
    return planned.refused


TOLD = {
    "a batch beside one": ("'latents: base' --batch-size 3", "batch size 3 has no effect beside latents, which are 1"),
    "a batch beside two": ("'latents: pair' --batch-size 3", "batch size 3 has no effect beside latents, which are 2"),
    "the batch of two": ("'latents: pair' --batch-size 2", ""),
    "strength beside latents": (
        "'latents: base' --image-seed-strengths 0.5",
        "strength 0.5 has no effect beside latents, which carry their noise",
    ),
    "a size in the seed and another for the stage": (
        "'wide;64x48;aspect=false' --output-size 64",
        "the picture is resized to 64x48 by its seed and then to the size asked for, 64x64",
    ),
    "a picture beside latents": (
        "'wide;latents=base'",
        "the picture of 96x64 is brought to the size of the latents, 64x64",
    ),
    "a resized picture beside latents": (
        "'photo;latents=base;128x128'",
        "the picture of 128x128 is brought to the size of the latents, 64x64",
    ),
    "processors of latents beside a picture": (
        "photo --latents-processors 'scale;factor=2'",
        "latents processors change nothing: no latents are given",
    ),
    "a picture that fits": ("'photo;latents=base'", ""),
    "two sizes": ("'images: photo, wide'", "pictures of 64x64, 96x64 are brought to one size, 64x64"),
    "a small size": ("photo;14", "size 14x14 is rounded to 8x8"),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_has_no_effect_is_told(half: Desk, case: str) -> None:
    seed, right = TOLD[case]
    script = f"<sd15> {RUN} --image-seeds {seed}"
    (planned,) = half.plan(script).stages
    half.run(script)
    said = [note for note in planned.notes if "seed drawn" not in note]
    assert [note.partition(": models")[0].partition(": /")[0] for note in said] == ([right] if right else [])
    assert set(said) <= set(half.notes.lines)


def test_strength_without_a_picture_is_told(tiny: Callable[[str], Path]) -> None:
    stage = Stage(model=ModelSource(str(tiny("sd15"))), seed=3, strength=0.5)
    assert prepare(stage).notes == ("strength 0.5 has no effect without a picture",)


@pytest.mark.kept_models(False)
@pytest.mark.parametrize(("family", "most"), [("sd15", 2), ("sdxl", 1)])
def test_more_layers_than_there_are_cannot_be_skipped(desk: Desk, family: str, most: int) -> None:
    script = f"<{family}> {RUN} --seeds 3 --output-size 64 --clip-skips"
    assert f"use 0 to {most}" in refusal(desk, f"{script} 50")
    assert f"use 0 to {most}" in refusal(desk, f"{script} {most + 1}")
    assert not desk.session.holdings()
    desk.run(f"{script} {most}")


def test_a_quantizer_on_a_single_file_is_refused(desk: Desk, tmp_path: Path, tiny: Callable[[str], Path]) -> None:
    path = tinies.single_file("sdxl", tmp_path / "mine.safetensors")
    tinies.save_folder("sdxl", tmp_path / "mine")
    (planned,) = desk.plan(f"{path} {RUN} --quantizer bnb;bits=4").stages
    assert "a single file" in planned.refused


@pytest.mark.parametrize("family", ["sd3", "flux", "flux2"])
def test_a_size_that_a_family_cannot_make_is_rounded_told_and_the_same_again(desk: Desk, family: str) -> None:
    first = f"<{family}> {RUN} --seeds 3 --output-size 96x72 --denoising-end 0.5 --into base"
    second = f"<{family}> {RUN} --output-size 96x72 --image-seeds 'latents: base' --into final"
    told, _ = desk.plan(f"{first}\n\n{second}").stages
    assert any(note.startswith("size 96x72 is rounded to 96x64") for note in told.notes)
    desk.run(f"{first}\n\n{second}")
    assert any(note.startswith("size 96x72 is rounded to 96x64") for note in desk.notes.lines)
    assert desk["final"].size == desk["base"].size == (96, 64)


@pytest.mark.parametrize(
    ("words", "told"), [("--guidance-scales 5", True), ("-gs 7", True), ("--guidance-scales 1", False), ("", False)]
)
def test_guidance_asked_for_is_told_where_it_is_the_usual_one(desk: Desk, words: str, told: bool) -> None:
    """On a model distilled without guidance; five was taken for the default, and nobody was told."""
    script = f"{desk.models('flux-schnell')} --prompts cat --seeds 3 --inference-steps 2 --output-size 64 {words}"
    (planned,) = desk.plan(script).stages
    desk.run(script)
    for notes in (planned.notes, desk.notes.lines):
        assert any("changes nothing" in note for note in notes) is told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("'cat; dog' --guidance-scales 1", "the negative prompt changes nothing without guidance: the scale is 1"),
        ("cat --guidance-scales 1@0,0@0.5 --guidance-rescales 0.5", "guidance rescale 0.5 changes nothing without"),
        ("'cat; dog' --guidance-scales 2", ""),
        ("'cat; dog' --guidance-scales 2@0,1@0.5", ""),
        ("cat --guidance-scales 1", ""),
    ],
)
def test_what_only_guidance_heeds_is_told(desk: Desk, words: str, told: str) -> None:
    script = f"<sd15> --seeds 3 --inference-steps 4 --output-size 64 --prompts {words}"
    (planned,) = desk.plan(script).stages
    desk.run(script)
    for notes in (planned.notes, desk.notes.lines):
        said = [note for note in notes if "without guidance" in note]
        assert len(said) == bool(told)
        assert told in "".join(said)


@pytest.mark.parametrize("words", ["--dtype float16", "--dtype bfloat16", ""])
def test_a_dtype_that_a_processor_is_slow_in_is_told(desk: Desk, words: str) -> None:
    (planned,) = desk.plan(f"<sd15> --prompts cat --inference-steps 2 --device cpu {words}").stages
    assert any("slow on a CPU" in note for note in planned.notes) is ("float16" in words.split())


def test_a_scale_that_is_the_usual_one_gives_the_kept_result(desk: Desk) -> None:
    script = "<sd15> --prompts cat --seeds 3 --inference-steps 2 --output-size 64"
    desk.run(script)
    desk.run(f"{script} --guidance-scales 5")
    assert any("kept from before" in line for line in desk.notes.lines)


@pytest.mark.parametrize(
    ("model", "scheduler", "told"),
    [
        ("sd15", "EulerDiscreteScheduler;use-karras-sigmas=true", "use-karras-sigmas=true"),
        ("sd15", "EulerDiscreteScheduler;use-exponential-sigmas=true", "use-exponential-sigmas=true"),
        ("sd15", "EulerDiscreteScheduler;use-karras-sigmas=false", ""),
        ("flux", "FlowMatchEulerDiscreteScheduler;use-karras-sigmas=true", ""),  # it spaces what it is given anew
    ],
)
def test_a_spacing_that_changes_no_level_is_told(desk: Desk, model: str, scheduler: str, told: str) -> None:
    levels = "1,0.5,0.1" if model == "flux" else "14,3,1"
    script = f"<{model}> --prompts cat --seeds 3 --output-size 64 --scheduler '{scheduler}' --sigmas {levels}"
    (planned,) = desk.plan(script).stages
    desk.run(script)
    for notes in (planned.notes, desk.notes.lines):
        said = [note for note in notes if "beside sigmas of one's own" in note]
        assert said == ([f"{told} of the scheduler changes nothing beside sigmas of one's own"] if told else [])


@pytest.mark.parametrize("model", ["demo/scenes", "<sd15>", "mine.safetensors"])
def test_a_revision_of_what_is_on_no_hub_is_refused(desk: Desk, tmp_path: Path, model: str) -> None:
    if model.startswith("mine"):
        model = str(tinies.single_file("sd15", tmp_path / model))
    said = refusal(desk, f"{model} {RUN} --revision x")
    assert "--revision x chooses among those of a hub model. Leave --revision out." in said


def test_a_revision_of_a_part_that_is_on_no_hub_is_refused(desk: Desk, tiny: Callable[[str], Path]) -> None:
    said = refusal(desk, f"<sd15> {RUN} --vae '{tiny('sd15')}/vae;revision=x'")
    assert "revision x chooses among those of a hub model. Leave revision out." in said
