"""Films, clips and lists of pictures as image seeds: of models that make clips of clips, and of others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jupyter_latents.errors import HandoffError, JupyterLatentsError, NameNotFoundError
from jupyter_latents.latents.clip import Clip
from jupyter_latents.pictures.film_files import film_of
from tests.session.conftest import Desk
from tests.session.test_clips import frames

pytestmark = pytest.mark.kept_models

CLIPS = "<wan21> --prompts cat --inference-steps 3 --output-size 32 --seeds 3 --image-seed-strengths 0.7"


@pytest.fixture
def film(tmp_path: Path) -> Clip:
    """Nine frames of 32 pixels that differ."""
    return Clip(frames(9, side=32), fps=8)


@pytest.mark.parametrize("ending", ["gif", "apng", "webp", "mp4", "webm"])
def test_a_film_file_says_what_it_holds(film: Clip, tmp_path: Path, ending: str):
    if ending in ("mp4", "webm"):
        pytest.importorskip("imageio_ffmpeg")
    path = film.save(tmp_path / f"clip.{ending}")
    found = film_of(Path(path), path.name, lambda: None)
    assert found is not None
    assert (found.count, found.size, round(found.fps)) == (9, (32, 32), 8)
    lossy = ending in ("mp4", "webm", "webp", "gif")
    for frame, one in zip(found.frames, film, strict=True):
        near = np.abs(np.asarray(frame.picture.convert("RGB"), float) - np.asarray(one.convert("RGB"), float)).mean()
        assert near < (12 if lossy else 1e-9)


def test_a_film_a_clip_a_list_and_latents_are_one_clip(desk: Desk, film: Clip, tmp_path: Path):
    """A lossless film, the clip that it was, and its frames by name make the same."""
    film.save(tmp_path / "clip.apng")
    desk.session.names["film"] = film
    desk.session.names["pictures"] = list(film)
    made = [
        desk.run(f"{CLIPS} --image-seeds '{seed}'").results[-1].latents
        for seed in (tmp_path / "clip.apng", "film", "pictures")
    ]
    assert all(np.array_equal(np.asarray(made[0]), np.asarray(other)) for other in made[1:])
    assert (made[0].frames, made[0].provenance.options["fps"]) == (9, "8")
    assert made[2].provenance.options["fps"] == "16"
    desk.session.names["clip"] = made[0]
    again = desk.run(f"{CLIPS} --image-seeds clip --into again")
    assert (desk.session.names["again"].frames, desk.session.names["again"].provenance.options["fps"]) == (9, "8")
    assert again.results[-1].span.start == 1
    assert desk.run(f"{CLIPS} --image-seeds clip").model_evaluations == 0


def test_a_clip_is_cut_by_its_frames(desk: Desk, film: Clip, tmp_path: Path):
    film.save(tmp_path / "clip.apng")
    desk.session.names["part"] = list(film[2:7])
    cut = desk.run(f"{CLIPS} --image-seeds '{tmp_path}/clip.apng;frame-start=2;frame-end=6'").results[-1].latents
    named = desk.run(f"{CLIPS} --image-seeds part").results[-1].latents
    assert np.array_equal(np.asarray(cut), np.asarray(named))
    with pytest.raises(HandoffError, match="cut a clip of 9 frames, which are 0 to 8"):
        desk.run(f"{CLIPS} --image-seeds '{tmp_path}/clip.apng;frame-end=9'")
    (planned,) = desk.plan(f"{CLIPS} --image-seeds '{tmp_path}/clip.apng;frame-start=3'").stages
    assert "the clip has 6 frames" in planned.refused
    assert "5 or 9 are nearest" in planned.refused


def test_a_film_where_one_picture_is_wanted_is_refused(desk: Desk, film: Clip, tmp_path: Path):
    pytest.importorskip("imageio_ffmpeg")
    film.save(tmp_path / "clip.mp4")
    seed = f"--image-seeds '{tmp_path}/clip.mp4'"
    desk.session.names["photo"] = frames(1)[0]
    with pytest.raises(HandoffError, match=r"clip.mp4 is a film, and .* takes pictures there"):
        desk.run(f"<sd15> --prompts cat --inference-steps 2 {seed}")
    with pytest.raises(HandoffError, match=r"clip.mp4 is a film, and .* takes pictures there"):
        desk.run(f"<sd15> --prompts cat --inference-steps 2 --image-seeds 'photo;mask={tmp_path}/clip.mp4'")
    with pytest.raises(HandoffError, match="makes clips of clips, and one picture is given"):
        desk.run(f"{CLIPS} --image-seeds photo")
    (tmp_path / "bad.mp4").write_bytes(b"nothing of the kind")
    with pytest.raises(NameNotFoundError, match=r"bad.mp4 cannot be read as a film"):
        desk.run(f"{CLIPS} --image-seeds '{tmp_path}/bad.mp4'")


def test_a_model_of_sound_is_refused_by_name(desk: Desk, tmp_path: Path):
    (tmp_path / "sound").mkdir()
    index = {"_class_name": "StableAudioPipeline", "vae": ["diffusers", "AutoencoderOobleck"]}
    (tmp_path / "sound" / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(JupyterLatentsError, match="StableAudioPipeline, which does not run here: it makes sound"):
        desk.run(f"'{tmp_path}/sound' --prompts cat --num-frames 5")


def test_a_picture_file_is_no_film(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert film_of(tmp_path / "a.png", "a.png", lambda: None) is None


def test_a_film_or_a_picture_may_be_what_a_clip_begins_with(desk: Desk, film: Clip, tmp_path: Path):
    film.save(tmp_path / "clip.apng")
    desk.session.names["photo"] = film[0]
    script = (
        f"{desk.models('ltx-condition')} --prompts cat --inference-steps 2 --output-size 64x32 --num-frames 9 --seeds 3"
    )
    made = desk.run(f"{script} --image-seeds '{tmp_path}/clip.apng;frame-end=4'").results[-1].latents
    assert (made.frames, made.provenance.options["fps"]) == (9, "8")
    one = desk.run(f"{script} --image-seeds photo").results[-1].latents
    assert (one.frames, one.provenance.options["fps"]) == (9, "25")
    assert not np.array_equal(np.asarray(made), np.asarray(one))
    (planned,) = desk.plan(f"{script} --image-seeds '{tmp_path}/clip.apng;frame-end=3'").stages
    assert "1 or 5 are nearest" in planned.refused
