"""Pictures decoded from latents: a plan, which decodes nothing, foresees what of their stages is kept from before."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

RUN = "--prompts cat --inference-steps 4 --guidance-scales 1 --seeds 3 --output-size 64"
BASE = f"<sd15> {RUN} --into base"
WAYS = {
    "the image": f"<sd15> {RUN} --image-seeds base --image-seed-strengths 0.5",
    "its part": f"<sd15> {RUN} --image-seeds base --image-seed-strengths 0.5 --denoising-end 0.75",
    "resized": f"<sd15> {RUN} --image-seeds 'base;resize=48x48' --image-seed-strengths 0.5",
    "of another space": f"<sdxl> {RUN} --image-seeds base --image-seed-strengths 0.5",
    "the mask": f"<sd15> {RUN} --image-seeds 'base;mask=base' --image-seed-strengths 0.5",
    "in a batch": f"<sd15> {RUN.replace('--seeds 3', '--seeds 3 4')} --batch-seeds --image-seeds base",
    "twice": f"<sd15> {RUN} --image-seeds base --into second\n\n<sd15> {RUN} --image-seeds second",
}


def counts(desk: Desk, script: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Evaluations to run and saved: what is planned, and what then runs."""
    planned, run = desk.plan(script), desk.run(script)
    return (planned.model_evaluations, planned.saved_evaluations), (run.model_evaluations, run.saved_evaluations)


@pytest.mark.parametrize("way", WAYS)
def test_a_plan_saves_what_its_run_saves(desk: Desk, way: str) -> None:
    script = f"{BASE}\n\n{WAYS[way]}"
    planned, run = counts(desk, script)
    assert planned == run
    for later in (script, WAYS[way]):  # the same script once more, and the stage alone on what is kept
        planned, run = counts(desk, later)
        assert planned == run
        assert planned[0] == 0
        assert planned[1] > 0


@pytest.mark.parametrize("way", ["variable", "safetensors", "pt"])
def test_other_latents_are_planned_anew(desk: Desk, way: str, tmp_path: Path) -> None:
    desk.run(BASE)
    name = "base" if way == "variable" else f"{tmp_path}/base.{way}"

    def place() -> None:
        if way != "variable":
            desk["base"].save(name)

    script = f"<sd15> {RUN} --image-seeds {name} --image-seed-strengths 0.5"
    place()
    assert counts(desk, script) == ((3, 0), (3, 0))
    assert counts(desk, script) == ((0, 3), (0, 3))
    desk.session.names["base"] = desk["base"].replace(tensor=desk["base"].tensor * 0.5)
    if way != "variable":
        Path(name).unlink()
    place()
    assert counts(desk, script) == ((3, 0), (3, 0))


def test_another_vae_of_their_model_is_seen(desk: Desk, tiny: Callable[[str], Path], tmp_path: Path) -> None:
    giver = tmp_path / "giver"
    shutil.copytree(tiny("sdxl"), giver)
    desk.run(f"{giver} {RUN} --into base")
    script = f"<sd15> {RUN} --image-seeds base --image-seed-strengths 0.5 --into end"
    assert counts(desk, script) == ((3, 0), (3, 0))
    assert counts(desk, script) == ((0, 3), (0, 3))
    before = desk["end"].tensor
    file = giver / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["decoder.conv_out.bias"] += 1
    save_file(weights, file, {"format": "pt"})
    assert counts(desk, script) == ((3, 0), (3, 0))
    assert not torch.equal(desk["end"].tensor, before)
