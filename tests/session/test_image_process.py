r"""``\image_process`` changes pictures at its turn in the run, and says what it has written."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageOps

from jupyter_latents.errors import JupyterLatentsError
from tests.engine.cases import picture
from tests.session.conftest import Desk

RUN = "--prompts cat --inference-steps 2 --guidance-scales 1 --seeds 3"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    picture(64).save(tmp_path / "horse.png")
    frames = [picture(64), ImageOps.invert(picture(64).convert("RGB"))]
    frames[0].save(tmp_path / "roll.gif", save_all=True, append_images=frames[1:], duration=100)
    return tmp_path


def test_a_picture_is_resized_processed_and_named(desk: Desk, folder: Path) -> None:
    script = f"""
\\set device_switch {{{{ '--device '+injected_device if injected_device else '' }}}}

\\image_process "horse.png"
-o made/small.png
--processors mirror "posterize;bits=2;pre-resize=true"
--resize 50x40
--align 8
--no-aspect {{{{ device_switch }}}}

\\print {{{{ quote(last_images) }}}}
<sd15> {RUN} --image-seeds {{{{ quote(last_images) }}}} --output-size 48 --into ours
"""
    plan = desk.plan(script)
    assert not (folder / "made").exists()
    assert "the run, which alone does \\image_process" in plan.waiting
    desk.run(script)
    few = ImageOps.posterize(picture(64).convert("RGB"), 2)
    wanted = ImageOps.mirror(few.resize((48, 40), Image.Resampling.LANCZOS))
    assert Image.open(folder / "made/small.png").tobytes() == wanted.tobytes()
    assert any("made/small.png" in line for line in desk.notes.lines)
    assert desk["ours"].size[0] == 48


def test_files_that_are_there_stay_unless_it_says_otherwise(desk: Desk, folder: Path) -> None:
    first = "\\image_process horse.png --output out.png --processors flip"
    desk.run(f"{first}\n\n{first}\n\n{first} --output-overwrite\n\n<sd15> {RUN} --output-size 64")
    assert {file.name for file in folder.glob("out*")} == {"out.png", "out_duplicate_1.png"}


def test_clips_are_processed_frame_by_frame(desk: Desk, folder: Path) -> None:
    done = f"\n\n<sd15> {RUN} --output-size 64"
    desk.run(f"\\image_process roll.gif -o canny.gif --processors 'canny;threshold-algo=otsu;gray=true'{done}")
    assert Image.open(folder / "canny.gif").n_frames == 2
    assert {file.name for file in folder.glob("canny_*")} == {"canny_frame_1.png", "canny_frame_2.png"}
    desk.run(f"\\image_process roll.gif -o one.gif --no-frames --frame-start 1{done}")
    assert Image.open(folder / "one.gif").n_frames == 1
    assert not list(folder.glob("one_*"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("horse.png --processors openpose", "a network of its own"),
        ("nobody.png -o x.png", "nobody.png"),
        ("horse.png -o x.txt", "no name of a picture"),
        ("horse.png --bend 3", "is no option of"),
        ("horse.png -o a.png b.png", "2 outputs for 1 inputs"),
        ("--processors mirror", "needs pictures"),
        ("horse.png --resize", "needs a value"),
        ("horse.png --resize big", "is no size"),
        ("horse.png --frame-start 4 --frame-end 2", "is before"),
        ("roll.gif -o x.gif --frame-start 9", "none from 9 on"),
    ],
)
def test_what_cannot_be_done_has_its_line(desk: Desk, folder: Path, words: str, says: str) -> None:
    with pytest.raises(JupyterLatentsError) as caught:
        desk.run(f"\\print x\n\\image_process {words}\n<sd15> {RUN} --output-size 64")
    assert says in caught.value.message
    assert caught.value.place is not None
    assert caught.value.place.line == 3
    assert not desk.session.holdings()


def test_help_is_a_note(desk: Desk, folder: Path) -> None:
    desk.run(f"\\image_process --help\n<sd15> {RUN} --output-size 64")
    assert any(line.startswith("line 2: \\image_process: \\image_process FILE...") for line in desk.notes.lines)
