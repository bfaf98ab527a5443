"""Films in the place of a picture: `--animation-format`, `--no-frames`, and one frame by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.latents.sequence import LatentsSequence
from tests.engine.cases import picture
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

STAGE = "<sd15> --prompts cat --seeds 5 --inference-steps 2 --output-size 64"
GIF = STAGE + " --image-seeds film.gif --image-seed-strengths 0.5"


@pytest.fixture(autouse=True)
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frames = [Image.fromarray(np.roll(np.asarray(picture(64)), 16 * number, 0)) for number in range(3)]
    frames[0].save("film.gif", save_all=True, append_images=frames[1:], duration=200)


def test_a_film_runs_a_stage_for_each_frame_and_becomes_a_film(desk: Desk) -> None:
    plan = desk.plan(f"{GIF} --animation-format gif --output-path out")
    run = desk.run(f"{GIF} --animation-format gif --output-path out --into each")
    assert len(plan.stages) == len(run.results) == 3
    assert sorted(Path(file).suffix for file in run.files) == [".gif", ".png", ".png", ".png"]
    (made,) = Path("out").glob("ANIM_*.gif")
    with Image.open(made) as opened:
        assert (opened.n_frames, opened.info["duration"]) == (3, 200)
    several = desk["each"]
    assert isinstance(several, LatentsSequence)
    assert several.labels == ("frame 0", "frame 1", "frame 2")


def test_each_frame_is_the_stage_that_names_it_by_hand(desk: Desk) -> None:
    run = desk.run(f"{GIF} --animation-format frames")
    assert not run.files
    hand = f"{STAGE} --image-seed-strengths 0.5 --image-seeds 'film.gif;frame-start=2;frame-end=2'"
    (one,) = desk.run(hand).results
    assert np.array_equal(np.asarray(one.latents), np.asarray(run.results[2].latents))
    assert not np.array_equal(np.asarray(one.latents), np.asarray(run.results[0].latents))


def test_a_cut_film_makes_a_film_for_each_seed_and_no_files_of_frames(desk: Desk) -> None:
    cut = GIF.replace("film.gif", "'film.gif;frame-start=1;frame-end=2'").replace("--seeds 5", "--seeds 5 6")
    script = f"{cut} --batch-size 2 --batch-grid-size 2x1 --animation-format webp --no-frames --output-path out"
    assert [one.stage.image_seed.frame_start for one in desk.plan(script).stages if one.stage.image_seed] == [
        1,
        2,
        1,
        2,
    ]
    run = desk.run(script)
    assert [Path(file).name[:8] for file in run.files] == ["ANIM_s_5", "ANIM_s_6"]
    with Image.open(run.files[0]) as opened:
        assert (opened.n_frames, opened.size) == (2, (128, 64))


@pytest.mark.parametrize("edits", ["", "--sdxl-refiner-edit"])
def test_a_refiner_goes_on_with_each_frame(desk: Desk, edits: str) -> None:
    refined = (
        "<sdxl> --prompts cat --seeds 5 --inference-steps 5 --output-size 64 --sdxl-refiner <sdxl-refiner> "
        f"--image-seeds film.gif --animation-format gif --output-path out {edits}"
    )
    run = desk.run(refined)
    assert len(run.results) == 6
    (made,) = Path("out").glob("ANIM_*.gif")
    with Image.open(made) as opened:
        assert (opened.n_frames, opened.info["duration"]) == (3, 200)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (GIF.replace("film.gif", "film.gif;frame-start=1"), "takes one picture"),
        (GIF.replace("film.gif", "film.gif;frame-end=3") + " --animation-format gif", "which are 0 to 2"),
        ("<wan21> --prompts cat --image-seeds film.gif --num-frames 5 --animation-format gif", "run for each frame"),
    ],
)
def test_what_cannot_be_cut_into_frames_is_refused_before_it_runs(desk: Desk, script: str, message: str) -> None:
    with pytest.raises(JupyterLatentsError, match=message):
        desk.run(script)


def test_latents_that_were_frames_become_a_film_in_a_later_script(desk: Desk) -> None:
    desk.run(f"{GIF} --animation-format frames --denoising-end 0.75 --into each")
    desk.run(f"{STAGE} --image-seeds 'latents: each' --animation-format gif --output-path out")
    (made,) = Path("out").glob("ANIM_*.gif")
    with Image.open(made) as opened:
        assert (opened.n_frames, opened.info["duration"]) == (3, 100)


def test_a_film_without_its_codec_is_refused_before_it_runs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_latents.pictures.films._CODECS", ("no_such_codec",))
    with pytest.raises(JupyterLatentsError, match="pip install no-such-codec"):
        desk.plan(f"{GIF} --animation-format mp4")


def test_a_script_that_reads_the_films_it_made_is_told_that_they_are_not_there(desk: Desk) -> None:
    read = "\n\n\\print {{ last_animations }}"
    assert not any("last_animations" in line for line in said(desk, STAGE + read))
    assert any(
        "last_animations" in line for line in said(desk, f"{GIF} --animation-format gif --output-path out{read}")
    )


def said(desk: Desk, script: str) -> list[str]:
    try:
        desk.run(script)
    except JupyterLatentsError as error:
        return [error.message]
    return desk.notes.lines


def test_one_picture_is_no_film(desk: Desk) -> None:
    picture(64).save("photo.png")
    run = desk.run(f"{GIF.replace('film.gif', 'photo.png')} --animation-format mp4 --output-path out")
    assert [Path(file).suffix for file in run.files] == [".png"]
