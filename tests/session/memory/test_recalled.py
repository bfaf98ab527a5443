"""A result that memory answers is the asking cell's: it says that cell, and what a run of it tells is told."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from jupyter_latents.latents import Latents
from jupyter_latents.pictures.metadata.record import read_record
from jupyter_latents.pictures.metadata.texts import OURS
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

STEPS = "--seeds 3 --inference-steps 4 --scheduler DDIMScheduler"
ONE = f"<sd15> --prompts cat {STEPS} --output-size 64"
REST = f"<sd15> --prompts dog {STEPS}"


def cells(latents: Latents) -> list[str]:
    return [step.provenance.cell.replace("\n", " ") for step in latents.trajectory]


@pytest.mark.parametrize("where", ["memory", "store"])
def test_it_says_the_cell_that_asked(desk: Desk, tmp_path: Path, where: str) -> None:
    if where == "store":
        desk.session.keep_in(str(tmp_path / "store"))
    desk.run(f"{ONE} --denoising-end 0.5 --into a")
    if where == "store":
        desk = Desk(desk.models)
        desk.session.keep_in(str(tmp_path / "store"))
    run = desk.run(f"{ONE} --denoising-end 0.5 --into q --output-path {tmp_path / 'out'} --image-format png")
    assert run.model_evaluations == 0
    cell = desk["q"].provenance.cell
    assert cell.endswith("--into q")
    assert f"--output-path {tmp_path / 'out'}" in cell
    text = read_record(Image.open(run.files[0]).info[OURS], "x").cell
    assert "--into q" in text
    assert [cell.rpartition("--into ")[2] for cell in cells(desk["q"])] == ["q", "q"]
    if where == "memory":
        assert desk["a"].provenance.cell.endswith("--into a"), "what is bound keeps its own"


def test_each_step_says_the_stage_that_made_it(desk: Desk) -> None:
    desk.run(f"{ONE} --denoising-end 0.5 --into a")
    desk.run(f"{REST} --image-seeds 'latents: a' --denoising-end 0.75 --into b")
    desk.run(f"{REST} --image-seeds 'latents: a' --into c")
    said = cells(desk["c"])
    assert [cell.rpartition("--into ")[2] for cell in said] == ["a", "a", "c", "c"]
    assert ["denoising-end" in cell for cell in said] == [True, True, True, False]
    assert [step.provenance.prompt for step in desk["c"].trajectory] == ["cat", "cat", "dog", "dog"]


def test_a_part_of_what_is_kept_says_where_it_ends(desk: Desk) -> None:
    desk.run(f"{ONE} --into whole")
    desk.run(f"{ONE} --denoising-end 0.5 --into part")
    assert "--denoising-end 0.5" in desk["part"].provenance.cell


def test_a_name_of_the_environment_is_the_asking_cells(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANIMAL", "cat")
    desk.run(f"{ONE.replace('cat', '$ANIMAL')} --into a")
    assert desk.run(f"{ONE} --into b").model_evaluations == 0
    assert (desk["a"].provenance.prompt, desk["b"].provenance.prompt) == ("$ANIMAL", "cat")
    assert desk.run(f"{ONE.replace('cat', '$ANIMAL')} --into c").model_evaluations == 0
    assert desk["c"].provenance.prompt == "$ANIMAL"


NOISE = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
TOLD = {
    "noise that nobody states": (f"{REST} --image-seeds 'latents: noise' --denoising-start 0.5", "level not known"),
    "a picture that is rounded": ("<flux> --prompts dog --seeds 3 --inference-steps 4 --image-seeds photo", "72"),
    "a guidance without effect": (f"{REST} --image-seeds photo --image-seed-strengths 1", "strength"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("before", ["the whole", "a part"])
def test_what_a_run_tells_is_told_again(desk: Desk, name: str, before: str) -> None:
    script, word = TOLD[name]
    desk.session.names |= {"noise": NOISE, "photo": Image.new("RGB", (72, 64), "teal")}
    desk.run(script if before == "the whole" else f"{script} --denoising-end 0.75")
    told = [line for line in desk.notes.lines if word in line]
    assert told
    again = desk.run(script)
    assert again.results[0].saved
    assert set(told) <= set(desk.notes.lines)
    assert len(desk.notes.lines) == len(set(desk.notes.lines))
