"""Contact sheets of a sweep lead back to the one cell that makes all of their pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from jupyter_latents.display.wiring import session_with_display
from jupyter_latents.errors import LatentsError, LatentsFileError, SettingError
from jupyter_latents.latents.sequence import LatentsSequence
from jupyter_latents.session.cells.reading import cell_from
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

FEW = "--inference-steps 2 --output-size 64"
SWEEP = f'<sd15> --prompts "a cat" "a dog" {FEW} --seeds 3 4 --guidance-scales 2 5 --into xy'


@pytest.fixture
def xy(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> LatentsSequence:
    """The results of a sweep over prompts, guidance and seeds; 5 is the usual guidance."""
    monkeypatch.setattr("jupyter_latents.session.current", lambda names: desk.session)
    session_with_display(desk.session.names)
    desk.run(SWEEP)
    made: LatentsSequence = desk["xy"]
    return made


def test_a_sheet_has_all_pictures_and_leads_back_to_its_cell(xy: LatentsSequence, desk: Desk, tmp_path: Path) -> None:
    target = xy.grid(x="guidance", y="seed").save(tmp_path / "xy.png")
    sheet = Image.open(target)
    picture = xy[3].decode()[0]
    assert sheet.width > 2 * picture.width
    assert sheet.height > 4 * picture.height
    cell = cell_from(target)
    assert cell.count("--seeds 3 4") == cell.count("--guidance-scales 2 5") == 1
    script = cell.partition("\n")[2].replace("\nsd15\n", "\n<sd15>\n")  # a folder of this machine is filled in
    desk.run(script.replace("--into xy", "--into again"))
    assert [one.digest for one in desk["again"]] == [one.digest for one in xy]
    assert desk["again"].axes == xy.axes


def test_a_sweep_over_one_picture_file_is_one_cell(xy: LatentsSequence, desk: Desk, tmp_path: Path) -> None:
    del xy
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "teal.png")
    options = "--prompts cat --inference-steps 4 --image-seed-strengths 0.5 --guidance-scales '7@0,1@0.75' 2"
    desk.run(f"<sd15> {options} --image-seeds {tmp_path}/teal.png --seeds 3 4 --into made")
    cell = cell_from(desk["made"].save(tmp_path / "made.png"))
    assert cell.count("--image-seeds") == cell.count("--seeds 3 4") == cell.count("--guidance-scales 7@0,1@0.75 2") == 1


def test_pictures_stand_on_the_sheet_as_they_are(xy: LatentsSequence) -> None:
    sheet = xy[:4].grid().picture
    picture = xy[3].decode()[0]
    width, height = picture.size
    gap = max(4, width // 24)
    corner = (sheet.width - gap - width, sheet.height - gap - height)
    assert sheet.crop((*corner, corner[0] + width, corner[1] + height)).tobytes() == picture.tobytes()


def test_save_of_a_sequence_writes_its_sheet(xy: LatentsSequence, tmp_path: Path) -> None:
    assert Image.open(xy.save(tmp_path / "xy.jpg")).size == xy.grid().picture.size
    with pytest.raises(LatentsFileError, match=r"xy.pt is no picture, and a sheet is one; give it the ending .png"):
        xy.save(tmp_path / "xy.pt")


def test_results_of_other_inputs_lead_back_one_by_one(xy: LatentsSequence, desk: Desk, tmp_path: Path) -> None:
    del xy
    desk.run(f"<sd15> --prompts cat {FEW} --seeds 3 4 --denoising-end 0.5 --into base")
    desk.run(f'<sd15> --prompts dog {FEW} --image-seeds "latents: base" --denoising-start 0.5 --into last')
    cell = cell_from(desk["last"].save(tmp_path / "last.png"))
    assert cell.count('--prompts "dog"') == 2
    assert "--seeds 3\n" in cell


def test_what_is_no_axis_is_refused_by_name(xy: LatentsSequence) -> None:
    with pytest.raises(SettingError, match="the axes are prompt, guidance, seed"):
        xy.grid(x="steps")
    with pytest.raises(SettingError, match="x is 3"):
        xy.grid(x=3)  # type: ignore[arg-type]
    with pytest.raises(LatentsError, match="no pictures"):
        xy[:0].grid()
