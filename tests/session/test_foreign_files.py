"""Files of other programs in scripts: they stand wherever latents stand, and the plan says what the run does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from jupyter_latents.errors import LatentsFileError
from jupyter_latents.latents import Latents
from jupyter_latents.session import Session
from tests.session.conftest import Desk

pytestmark = pytest.mark.filterwarnings("ignore::jupyter_latents.errors.LatentsWarning")
FLUX = "<flux> --prompts cat --inference-steps 4 --seeds 3"
REST = f"{FLUX} --denoising-start 0.5"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def base(desk: Desk) -> Latents:
    """Latents of Flux after two of four steps, as bare values."""
    desk.run(f"{FLUX} --denoising-end 0.5 --output-size 64x48 --into base")
    made: Latents = desk["base"]
    desk.session = Session()  # one that has not made them
    return made


def went_on(desk: Desk, seed: str, options: str = "") -> torch.Tensor:
    """What a script makes of a seed, which its plan foresees."""
    text = f'{REST} {options} --image-seeds "{seed}" --into found'
    (stage,) = desk.plan(text).stages
    desk.run(text)
    found: Latents = desk["found"]
    assert stage.course is not None
    assert stage.course.outline.shape == found.shape
    return found.tensor


def test_files_of_every_format_go_on_alike(desk: Desk, base: Latents, folder: Path) -> None:
    torch.save(base.tensor, "bare.pt")
    expected = went_on(desk, "latents: bare.pt")
    np.save("bare.npy", base.tensor.numpy())
    np.savez("bare.npz", base.tensor.numpy())
    torch.save([base.tensor], "list.pt")
    (folder / "Tensor_1").write_bytes(Path("bare.pt").read_bytes())
    for name in ("bare.npy", "bare.npz", "list.pt", "./Tensor_1"):
        assert torch.equal(went_on(desk, f"latents: {name}"), expected), name
    desk.session.names["packed"] = base.packed()
    torch.save(base.packed(), "packed.pt")
    np.save("packed.npy", base.packed().numpy())
    for name in ("packed", "packed.pt", "packed.npy"):
        assert torch.equal(went_on(desk, f"latents: {name}", "--output-size 64x48"), expected), name


def test_packed_latents_without_a_size_say_which_it_could_be(desk: Desk, base: Latents) -> None:
    torch.save(base.packed(), "packed.pt")
    text = f'{REST} --image-seeds "latents: packed.pt"'
    (stage,) = desk.plan(text).stages
    with pytest.raises(LatentsFileError, match=r"64x48 or 48x64.*--output-size") as caught:
        desk.run(text)
    assert stage.refused == caught.value.message


def test_a_cache_in_the_image_position_is_decoded(desk: Desk) -> None:
    values = np.random.default_rng(1).standard_normal((4, 8, 8)).astype("f4")
    np.savez("photo_0064x0064_sd.npz", latents=values, original_size=[64, 64], crop_ltrb=[0, 0, 64, 64])
    text = "<sd15> --prompts cat --inference-steps 4 --seeds 3 --image-seeds photo_0064x0064_sd.npz --into found"
    (stage,) = desk.plan(text).stages
    assert stage.mode == "img2img"
    desk.run(text)
    assert desk["found"].size == (64, 64)


def test_latents_are_written_by_image_format_and_loaded_by_name(desk: Desk, base: Latents) -> None:
    desk.run(f"{FLUX} --denoising-end 0.5 --output-size 64x48 --output-path out --image-format npz")
    (file,) = Path("out").iterdir()
    assert torch.equal(desk.session.load("again", str(file)).tensor, base.tensor)
