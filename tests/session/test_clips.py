"""Clips in a script and a notebook: options, files, pages, memory."""

from __future__ import annotations

import base64
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from jupyter_latents.display.wiring import session_with_display
from jupyter_latents.errors import JupyterLatentsError, LatentsFileError, LatentsWarning, RunError, SettingError
from jupyter_latents.latents.clip import Clip
from jupyter_latents.stage import ModelSource
from jupyter_latents.syntax import parse
from tests.session.conftest import Desk
from tests.session.runs.test_out_of_memory import full_when

pytestmark = pytest.mark.kept_models

CLIP = "<wan22> --prompts cat --inference-steps 3 --output-size 32 --num-frames 5 --seeds 3"


def frames(count: int = 9, side: int = 64) -> list[Image.Image]:
    """A bright square that goes over a ground of soft colours."""
    ground = np.random.default_rng(0).integers(0, 120, (4, 4, 3), dtype=np.uint8)
    made = []
    for number in range(count):
        picture = Image.fromarray(ground).resize((side, side), Image.Resampling.BICUBIC)
        picture.paste((255, 220, 90), (number * side // count, side // 3, number * side // count + 12, side // 3 + 12))
        made.append(picture)
    return made


MARK = "data:image/webp;base64,"


def shown(html: str) -> Image.Image:
    """The animated WebP of a page."""
    content = html.partition(MARK)[2].partition('"')[0]
    film = Image.open(io.BytesIO(base64.b64decode(content)))
    film.load()
    return film


def test_a_script_says_frames_and_speed(desk: Desk):
    run = desk.run(f"{CLIP} --fps 8 --into clip")
    clip = desk.session.names["clip"]
    assert (clip.frames, clip.size) == (5, (32, 32))
    assert clip.provenance.options["fps"] == "8"
    (film,) = run.results[-1].images
    assert (len(film), film.fps) == (5, 8.0)


def test_a_clip_goes_on_with_the_other_expert_in_a_later_stage(desk: Desk):
    whole = desk.run(f"{CLIP} --into whole").results[-1].latents
    desk.run(f"{CLIP} --denoising-end 0.67 --into high")
    last = desk.run("<wan22> --prompts cat --inference-steps 3 --image-seeds 'latents: high'").results[-1].latents
    assert np.array_equal(np.asarray(last), np.asarray(whole))


def test_a_script_ends_a_stage_at_the_boundary(desk: Desk):
    whole = desk.run(f"{CLIP} --into whole").results[-1].latents
    desk.run(f"{CLIP} --denoising-end boundary --into high")
    assert desk.session.names["high"].position.step == 1
    last = desk.run("<wan22> --prompts cat --inference-steps 3 --image-seeds 'latents: high'").results[-1].latents
    assert np.array_equal(np.asarray(last), np.asarray(whole))
    ((stage,),) = (one.stages() for one in parse("m --denoising-end boundary --guidance-scales 4@0,3@boundary"))
    assert "--denoising-end boundary" in str(stage)
    assert "4@0,3@boundary" in str(stage)


@pytest.mark.parametrize("ending", ["mp4", "gif", "webm", "apng", "webp"])
def test_films_are_written(desk: Desk, tmp_path: Path, ending: str):
    if ending in ("mp4", "webm"):
        pytest.importorskip("imageio_ffmpeg")
    desk.run(f"{CLIP} --output-path '{tmp_path}' --image-format {ending}")
    (file,) = tmp_path.iterdir()
    assert file.suffix == f".{ending}"
    if ending in ("mp4", "webm"):
        import imageio.v2 as imageio

        assert sum(1 for _ in imageio.get_reader(file)) == 5
    else:
        assert Image.open(file).n_frames == 5


def test_frames_are_written_by_png(desk: Desk, tmp_path: Path):
    desk.run(f"{CLIP} --output-path '{tmp_path}' --image-format png")
    assert [file.name[-8:] for file in sorted(tmp_path.iterdir())] == [f"000{number}.png" for number in range(1, 6)]


@pytest.mark.parametrize("ending", ["webp", "gif", "apng"])
def test_a_film_leads_back_to_its_cell(desk: Desk, tmp_path: Path, ending: str):
    from jupyter_latents.pictures.metadata.texts import PARAMETERS, read_texts
    from jupyter_latents.session.cells.reading import cell_from

    desk.run(f"{CLIP} --output-path '{tmp_path}' --image-format {ending} --into film")
    (file,) = tmp_path.iterdir()
    assert cell_from(file) == desk.session.cell(desk["film"])
    assert read_texts(file, file.name).texts[PARAMETERS] == desk.session.texts(desk["film"])[PARAMETERS]


@pytest.mark.parametrize("ending", ["mp4", "webm"])
def test_a_coded_film_leads_back_to_its_cell(desk: Desk, tmp_path: Path, ending: str):
    pytest.importorskip("imageio_ffmpeg")
    from jupyter_latents.pictures.film_texts import read_film_texts
    from jupyter_latents.pictures.metadata.texts import PARAMETERS
    from jupyter_latents.session.cells.reading import cell_from

    said = CLIP.replace("cat", "'cat = a; dog # one'")
    desk.run(f"{said} --output-path '{tmp_path}' --image-format {ending} --into film")
    (file,) = tmp_path.iterdir()
    assert "--num-frames 5" in cell_from(file)
    assert cell_from(file) == desk.session.cell(desk["film"])
    assert "Steps: " in read_film_texts(file, "x")[PARAMETERS]
    (tmp_path / f"bad.{ending}").write_bytes(file.read_bytes()[:40])
    with pytest.raises(JupyterLatentsError, match="cannot be read as a film"):
        cell_from(tmp_path / f"bad.{ending}")


def test_a_kept_clip_answers_from_the_store(desk: Desk, tmp_path: Path):
    from jupyter_latents.session import Session

    desk.session.keep_in(str(tmp_path))
    first = desk.run(f"{CLIP} --fps 8 --into clip").results[-1]
    desk.session.memo = Session().memo
    desk.session.keep_in(str(tmp_path))
    again = desk.run(f"{CLIP} --fps 8 --into clip")
    assert again.model_evaluations == 0
    (one,), (two,) = first.images, again.results[-1].images
    assert (one, one.fps) == (two, two.fps)


def test_latents_decode_to_a_list_of_pictures_that_plays(desk: Desk, tmp_path: Path):
    session_with_display(desk.session.names)
    desk.run(f"{CLIP} --into clip")
    film = desk.session.names["clip"].decode()
    assert isinstance(film, list)
    assert [picture.size for picture in film] == [(32, 32)] * 5
    assert film.save(tmp_path / "x.gif").read_bytes()[:3] == b"GIF"
    assert desk.session.names["clip"].save(tmp_path / "y.webp").exists()
    with pytest.raises(LatentsFileError, match="are a clip of 5 frames, and PNG holds one picture"):
        desk.session.names["clip"].save(tmp_path / "y.png")
    bundle = desk.session.names["clip"]._repr_mimebundle_()
    assert shown(bundle["text/html"]).n_frames == 5
    assert sum(len(part) for part in bundle.values()) <= 300_000
    assert Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).size == (32, 32)
    assert len(desk.session.names["clip"].preview()) == 2


def test_a_batch_of_clips_is_listed_shown_and_kept_apart(desk: Desk):
    from jupyter_latents.display.tables.listing import listing
    from jupyter_latents.latents.sequence import LatentsSequence

    session_with_display(desk.session.names)
    desk.run(f"{CLIP} --batch-size 2 --into both")
    both = desk.session.names["both"]
    assert [len(film) for film in both.decode()] == [5, 5]
    assert "data:image/jpeg" in listing(desk.session.names)._repr_html_()
    assert both._repr_mimebundle_()["text/html"].count(MARK) == 2
    one, two = both.split()
    assert LatentsSequence((one, two), ("a", "b"))._repr_mimebundle_()["text/html"].count(MARK) == 2
    assert one[0:1].frames == 1
    assert len(one.trajectory) == 0


def test_a_noisy_page_of_many_frames_stays_small():
    """81 frames of noise, which no codec makes small."""
    noise = np.random.default_rng(0).integers(0, 255, (81, 240, 416, 3), dtype=np.uint8)
    bundle = Clip(map(Image.fromarray, noise))._repr_mimebundle_()
    assert sum(len(part) for part in bundle.values()) <= 300_000
    film = shown(bundle["text/html"])
    assert (film.n_frames, film.info["duration"]) == (27, 188)  # every third, at 16 a second


def test_a_film_keeps_its_speed(tmp_path: Path):
    film = Clip(frames(8), fps=8)
    saved = Image.open(film.save(tmp_path / "x.webp"))
    assert [moment.copy().info["duration"] for moment in ImageSequence.Iterator(saved)] == [125] * 8
    again = pickle.loads(pickle.dumps(film))  # noqa: S301 - our own
    assert (again.fps, len(again)) == (8, 8)
    assert repr(film) == "<Clip of 8 frames of 64 × 64 pixels, 8 a second>"


@pytest.mark.parametrize(
    ("name", "fps", "error", "message"),
    [
        ("x.png", None, LatentsFileError, r"films end in \.webp, \.mp4"),
        ("x.gif", 0, SettingError, "above 0 and at most 120"),
        ("x.gif", True, SettingError, "frames a second"),
    ],
)
def test_what_no_film_can_be_is_refused(tmp_path: Path, name: str, fps: object, error: type, message: str):
    with pytest.raises(error, match=message):
        Clip(frames()).save(tmp_path / name, fps=fps)
    assert not list(tmp_path.iterdir())


def test_an_empty_clip_is_no_film(tmp_path: Path):
    with pytest.raises(LatentsFileError, match="without frames"):
        Clip([]).save(tmp_path / "x.gif")
    assert Clip([])._repr_mimebundle_() == {"text/plain": "<Clip of 0 frames, 16 a second>"}


def test_the_lasting_page_of_a_run_plays(desk: Desk):
    from jupyter_latents.display.static_html import run_bundle
    from jupyter_latents.display.view import RunView

    view = RunView(preview_every=1)
    desk.run(CLIP.replace("--seeds 3", "--seeds 4"), view)
    view.finish()
    bundle = run_bundle(view.record)
    assert 5 in [shown(MARK + part).n_frames for part in bundle["text/html"].split(MARK)[1:]]
    assert sum(len(part.encode()) for part in bundle.values()) <= 300_000
    assert Image.open(io.BytesIO(view.record.stages[0].points[0].frame)).n_frames == 2


def test_errors_name_the_option(desk: Desk):
    with pytest.raises(JupyterLatentsError, match=r"--num-frames is 6, .* 5 or 9 are nearest"):
        desk.run(CLIP.replace("--num-frames 5", "--num-frames 6"))
    with pytest.raises(JupyterLatentsError, match="--image-format mp4 is for clips"):
        desk.run("<sd15> --prompts cat --inference-steps 2 --output-size 64 --image-format mp4")


@pytest.mark.parametrize("ending", ["mp4", "webm"])
def test_a_film_whose_text_the_codec_cannot_take_is_written_without_it_and_told(ending: str, tmp_path: Path):
    clip = Clip(frames(2), 8, {"jupyter_latents": "long " * 40_000})
    with pytest.warns(LatentsWarning, match=f"{ending} has no room for what says how the picture was made"):
        assert clip.save(tmp_path / f"long.{ending}").stat().st_size < 100_000
    assert Clip(frames(2), 8, {"jupyter_latents": "a\x00b"}).save(tmp_path / f"nul.{ending}").is_file()


def test_frames_of_several_sizes_are_no_film(tmp_path: Path):
    with pytest.raises(LatentsFileError, match="frames of a film are of one size"):
        Clip([*frames(1), *frames(1, side=32)]).save(tmp_path / "odd.mp4")


def test_a_clip_that_no_memory_decodes_leaves_its_latents(desk: Desk):
    """An hour's steps are not lost in the last decode: the latents are bound, and decode when there is room."""
    vae = desk.session.engine.cache.load(ModelSource(str(desk.models("wan22")))).parts["vae"]
    with full_when(vae.decoder, lambda _: True), pytest.raises(RunError, match="ran out of memory"):
        desk.run(f"{CLIP} --into clip")
    clip = desk.session.names["clip"]
    assert (clip.is_clean, clip.frames, clip.position.step) == (True, 5, 3)
    assert len(desk.session.engine.decode(clip)[0]) == 5
