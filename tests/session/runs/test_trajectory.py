"""The kept steps of a run as a sequence: plots, films."""

import base64
from pathlib import Path

import pytest
import torch
from PIL import Image

from jupyter_latents.errors import LatentsError, LatentsFileError
from jupyter_latents.latents import Latents, Trajectory
from jupyter_latents.session import Session
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

SCRIPT = "demo/scenes --prompts 'a red sunset' --seeds 3 --inference-steps 5 --batch-size 2 --into base"


@pytest.fixture
def steps(desk: Desk) -> Trajectory:
    from jupyter_latents.display.wiring import session_with_display

    session = session_with_display({})
    assert isinstance(session, Session)
    desk.session = session
    return desk.run(SCRIPT).result.trajectory


def test_it_is_a_sequence_of_the_steps(steps: Trajectory) -> None:
    assert isinstance(steps, Trajectory)
    assert steps.steps == (1, 2, 3, 4, 5)
    assert steps.sigmas[-1] == 0
    assert sorted(steps.sigmas, reverse=True) == list(steps.sigmas)
    assert steps.tensors().shape == (5, 2, 4, 16, 16)
    assert torch.equal(steps.tensors()[2], steps[2].tensor)
    assert isinstance(steps[1:3], Trajectory)
    assert steps[1:3] == tuple(steps)[1:3]
    assert "Trajectory of 5 steps" in repr(steps)


def test_any_sequence_becomes_one() -> None:
    step = Latents(torch.zeros(1, 4, 8, 8))
    assert Latents(torch.zeros(1, 4, 8, 8), trajectory=[step]).trajectory == Trajectory([step])
    assert step.trajectory == ()


def test_a_film_has_a_frame_for_each_step(steps: Trajectory, tmp_path: Path) -> None:
    written = steps.to_gif(tmp_path / "run.gif", fps=5, side=64, item=1, hold=2)
    with Image.open(written) as film:
        durations = []
        for number in range(film.n_frames):
            film.seek(number)
            durations.append(film.info["duration"])
        assert film.size == (64, 64)
    assert sum(durations) == 4 * 200 + 2000
    assert durations[-1] == 2000


def test_a_cell_that_ends_with_a_film_shows_it(
    steps: Trajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = steps.to_gif(tmp_path / "run.gif")
    assert (isinstance(written, Path), written) == (True, tmp_path / "run.gif")
    shown = written._repr_mimebundle_()
    assert base64.b64decode(shown["image/gif"]) == written.read_bytes()
    assert "run.gif" in shown["text/plain"]
    monkeypatch.setattr("jupyter_latents.latents.film_path._LARGEST", 10)
    assert set(written._repr_mimebundle_()) == {"text/plain"}
    assert "too large to be shown here" in written._repr_mimebundle_()["text/plain"]
    written.unlink()
    assert written._repr_mimebundle_() == {"text/plain": repr(written)}


def test_an_mp4_can_be_read_again(steps: Trajectory, tmp_path: Path) -> None:
    import imageio.v2 as imageio

    written = steps.to_mp4(tmp_path / "run.mp4", fps=10, side=65, hold=0.5)
    assert "<video" in written._repr_mimebundle_()["text/html"]
    with imageio.get_reader(written) as film:
        assert film.get_meta_data()["size"] == (64, 64)
        assert sum(1 for _ in film) == 5 + 4


def test_without_a_codec_it_says_what_to_install(
    steps: Trajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(LatentsError, match="pip install imageio imageio-ffmpeg, or use to_gif"):
        steps.to_mp4(tmp_path / "run.mp4")
    assert not list(tmp_path.iterdir())


def test_bad_requests_are_refused_and_leave_no_file(steps: Trajectory, tmp_path: Path) -> None:
    with pytest.raises(LatentsFileError, match=r"call it run\.gif"):
        steps.to_gif(tmp_path / "run.png")
    with pytest.raises(LatentsError, match="fps=0 cannot be"):
        steps.to_gif(tmp_path / "run.gif", fps=0)
    with pytest.raises(LatentsError, match="use 0 to 1"):
        steps.to_gif(tmp_path / "run.gif", item=2)
    with pytest.raises(LatentsError, match="carry no trajectory"):
        Trajectory().to_gif(tmp_path / "run.gif")
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(LatentsFileError, match="is a folder"):
        steps.to_gif(tmp_path / "folder.gif")
    with pytest.raises(LatentsError, match="cannot be stacked"):
        Trajectory([steps[0], Latents(torch.zeros(1, 4, 8, 8))]).tensors()
    assert [one.name for one in tmp_path.iterdir()] == ["folder.gif"]
