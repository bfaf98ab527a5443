"""What a plan refuses is refused for its own reason, with the caret under what is to blame."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from jupyter_latents.errors import JupyterLatentsError
from tests import tiny as tinies
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

SHORT = "--prompts cat --inference-steps 2 --seeds 1"


@pytest.mark.parametrize(
    ("options", "message", "under"),
    [
        ("--output-size 64 --batch-size 100000000", "of memory", "100000000"),
        ("--output-size 800000x800000 --batch-size 2", "of memory", "800000x800000"),
        (
            "--image-seeds photo;frame-start=1",
            "frame-start=1 may be several frames",
            "photo;frame-start=1",
        ),
        ("--image-seeds photo;floyd=photo", "floyd in --image-seeds is read but", "photo;floyd=photo"),
        ("--image-encoder x", "--image-encoder is for the images of --ip-adapters", "x"),
        ("--quantizer sdnq;type=int4", "--quantizer sdnq is not known here; use bnb;bits=4", "sdnq;type=int4"),
        ("--quantizer bnb;bits4-quant-type=nonsense", "use fp4 or nf4", "bnb;bits4-quant-type=nonsense"),
        ("--image-seeds ../nothing.png", "no file ../nothing.png", "../nothing.png"),
    ],
)
def test_the_plan_refuses_and_points(desk: Desk, options: str, message: str, under: str) -> None:
    desk.session.names["photo"] = Image.new("RGB", (64, 64))
    (stage,) = desk.plan(f"<sd15> {SHORT} {options}").stages
    assert message in stage.refused
    assert stage.error is not None
    place = stage.error.place
    assert place is not None
    assert place.text[place.column - 1 : place.column - 1 + place.length] == under


def test_a_size_that_is_no_multiple_is_told(desk: Desk) -> None:
    desk.session.names["photo"] = Image.new("RGB", (64, 64))
    (stage,) = desk.plan(f"<sd15> {SHORT} --image-seeds photo;14").stages
    assert any("size 14x14 is rounded to 8x8" in note for note in stage.notes)
    (stage,) = desk.plan(f"<sd15> {SHORT} --image-seeds photo;align=24").stages
    assert any("48x48" in note for note in stage.notes)


@pytest.mark.parametrize(
    ("options", "under"),
    [
        ("--prompts cat '(dog:1e9)' cow --prompt-weighter a1111", "(dog:1e9)"),
        ("--prompts cat --image-seeds photo ../nothing.png photo", "../nothing.png"),
        ("--prompts cat cow --image-seeds photo ../nothing.png", "../nothing.png"),
        ("--prompts cat --image-seeds photo --image-seed-strengths 0.9 0.05 0.8 --scheduler DDIMScheduler", "0.05"),
        (
            "--prompts cat --schedulers EulerDiscreteScheduler 'DDIMScheduler;beta-start=-1'",
            "DDIMScheduler;beta-start=-1",
        ),
        ("--prompts cat --seeds 1 2 --image-seeds photo ../nothing.png --seeds-to-images", "../nothing.png"),
        ("--prompts cat --loras lora.safetensors missing.safetensors", "missing.safetensors"),
        ("--prompts cat --image-seeds 'latents: parts' 'latents: photo'", "latents: photo"),
        ("--prompts 'an <owl>' 'an <olw>' --textual-inversions 'owl.safetensors;token=<owl>'", "an <olw>"),
        ("--prompts 'an <owl>; <olw>' --textual-inversions 'owl.safetensors;token=<owl>'", "an <owl>; <olw>"),
    ],
)
@pytest.mark.parametrize("how", ["plan", "run"])
def test_of_several_values_the_one_that_is_meant_is_pointed_at(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, under: str, how: str
) -> None:
    monkeypatch.chdir(tmp_path)
    tinies.lora(tmp_path / "lora.safetensors", seed=1)
    tinies.inversion(tmp_path / "owl.safetensors")
    desk.session.names["photo"] = Image.new("RGB", (64, 64))
    desk.run("<sd15> --prompts cat --inference-steps 2 --seeds 1 2 --output-size 64 --denoising-end 0.5 --into parts")
    script = f"<sd15> --inference-steps 2 {options}"
    if how == "plan":
        plan = desk.plan(script)
        error = next(stage.error for stage in plan.stages if stage.error is not None)
        assert error.place is not None
        cell = next(cells[-1] for cells in plan.rows() if cells[-1].startswith("refused: "))
        assert cell.endswith(f"(line {error.place.line}, column {error.place.column})"), "as the run's own error says"
    else:
        with pytest.raises(JupyterLatentsError) as failed:
            desk.run(script)
        error = failed.value
    place = error.place
    assert place is not None
    assert place.text[place.column - 1 : place.column - 1 + place.length].strip("'") == under, error.message
