"""Where files cannot be written is said by the plan and before weights load; nothing is written to find that out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_latents.errors import LatentsFileError
from jupyter_latents.session import outputs
from jupyter_latents.stage import ModelSource, Output, Stage
from tests.session.conftest import Desk

STAGE = "<sd15> --prompts cat --seeds 1 --inference-steps 2 --output-size 64 --into base"
FOLDERS = {
    "a file": ("file", "a part of the path is a file"),
    "a folder below a file": ("file/deep/er", "a part of the path is a file"),
    "a link to nowhere": ("link", "it is a link to a folder that is not there"),
    "a link to itself": ("loop/in", "it is a link that leads to itself"),
    "a name that is too long": ("x" * 300, "the name is too long"),
    "a folder that holds no files": ("/proc/latents", "no files can be in /proc"),
    "nobody's home": ("~nobody-of-that-name/out", "no such home folder"),
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("options", ["", "--image-format safetensors --output-prefix a"])
@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_that_cannot_be_written_to_is_refused_before_weights_load(
    kind: str, options: str, desk: Desk, place: Path
) -> None:
    folder, reason = FOLDERS[kind]
    if folder.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("no /proc here")
    before = sorted(place.iterdir())
    script = f"{STAGE.replace('base', 'first')}\n\n{STAGE} --output-path {folder} {options}"
    planned = desk.plan(script).stages[1]
    assert isinstance(planned.error, LatentsFileError)
    assert reason in planned.refused
    assert "--output-path" in planned.refused
    with pytest.raises(LatentsFileError) as caught:
        desk.run(script)
    assert caught.value.message == planned.refused
    assert caught.value.place is not None
    assert caught.value.place.text[caught.value.place.column - 1 :].startswith(("--output-path", folder))
    assert desk.session.engine.cache.loads == 0
    assert sorted(place.iterdir()) == before


def test_the_folder_of_a_format_alone_is_seen_to_too(desk: Desk, place: Path) -> None:
    (place / "output").write_text("mine")
    (planned,) = desk.plan(f"{STAGE} --image-format png").stages
    assert "output: a part of the path is a file" in planned.refused


def test_a_folder_without_permission_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so that the system's answer is given here."""
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != place / "mine")
    (place / "mine").mkdir()
    stage = Stage(model=ModelSource("m"), output=Output(path=str(place / "mine" / "new")))
    with pytest.raises(LatentsFileError, match="no permission"):
        outputs.check_writable(stage)


def test_a_line_that_waits_is_seen_to_before_its_model_loads(desk: Desk) -> None:
    script = f"{STAGE}\n\n{STAGE.replace('seeds 1', 'seeds {{ last_images[0].shape[0] }}')} --output-path file"
    with pytest.raises(LatentsFileError, match="a part of the path is a file"):
        desk.run(script.replace("<sd15> --prompts cat --seeds {{", "<sd2> --prompts cat --seeds {{"))
    assert "base" in desk.session.names
    assert {model for row in desk.session.holdings() for model in row.models} == {str(desk.models("sd15"))}


def test_a_folder_that_goes_while_the_stage_runs_is_to_blame(
    desk: Desk, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("runs.script_run", "plans.foresight"):
        monkeypatch.setattr(f"jupyter_latents.session.{module}.check_writable", lambda _stage: None)
    with pytest.raises(LatentsFileError) as caught:
        desk.run(f"{STAGE} --output-path file")
    assert caught.value.place is not None
    assert caught.value.place.text[caught.value.place.column - 1 :].startswith(("--output-path", "file"))
    assert "base" in desk.session.names


@pytest.mark.parametrize("folder", ["new", "new/deep", "there", "through"])
def test_a_folder_that_is_there_or_can_be_made_is_written_to(folder: str, desk: Desk, place: Path) -> None:
    (place / "there").mkdir()
    (place / "through").symlink_to(place / "there")
    desk.run(f"{STAGE} --output-path {folder}")
    assert [path.suffix for path in (place / folder).iterdir()] == [".png"]
