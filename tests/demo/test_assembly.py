"""`demo/paper` is put together from `demo/scenes` and a difference, bit for bit what was trained."""

import hashlib
import stat
import threading
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline
from hypothesis import given
from hypothesis import strategies as st

from jupyter_latents import demo
from jupyter_latents.demo import assembly
from jupyter_latents.demo.training.keep import keep

SHARED = {  # SHA-256 of weights as they were before the two models shared them
    "text_encoder/model.safetensors": "3ce19f8843a17bea44212292d0e4453bc53a75cc62400ff734b44a2b9cd46c7b",
    "vae/diffusion_pytorch_model.safetensors": "294999fb0ce6b9957b6a6214c57c15810b9bd72246068c38a8eca82919e41a3c",
}


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_folder_is_whole_and_bit_for_bit_what_was_trained(home: Path) -> None:
    folder, scenes = demo.path("demo/paper"), demo.path("demo/scenes")
    assert folder.is_relative_to(home)
    files = {file.relative_to(scenes) for file in scenes.rglob("*") if file.is_file()}
    assert {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()} == files
    assert digest(folder / assembly.WEIGHTS) == assembly.DIGEST
    assert {name: digest(folder / name) for name in SHARED} == SHARED
    assert {file for file in files if digest(folder / file) != digest(scenes / file)} == {Path(assembly.WEIGHTS)}


def test_plain_diffusers_reads_it(home: Path) -> None:
    pipeline = DiffusionPipeline.from_pretrained(demo.path("demo/paper"), local_files_only=True)
    assert pipeline.unet.dtype == torch.float32


def test_a_file_that_was_taken_comes_back(home: Path) -> None:
    folder = demo.path("demo/paper")
    (folder / "vae" / "config.json").unlink()
    assert demo.path("demo/paper") == folder
    assert (folder / "vae" / "config.json").is_file()
    assert [file.name for file in folder.parent.iterdir()] == [folder.name]


def test_several_may_put_it_together_at_once(home: Path) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(demo.path("demo/paper"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1
    assert digest(found[0] / assembly.WEIGHTS) == assembly.DIGEST


def test_a_home_that_cannot_be_written_is_left_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "file"))  # no folder: root may write any of those
    folder = demo.path("demo/paper")
    assert demo.path("demo/paper") == folder
    assert digest(folder / assembly.WEIGHTS) == assembly.DIGEST
    assert not stat.S_IMODE(folder.parent.stat().st_mode) & 0o077


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)), max_size=20))
def test_a_difference_brings_back_what_it_was_made_of(pairs: list[tuple[int, int]]) -> None:
    base, other = (b"".join(pair[side].to_bytes(2, "little") for pair in pairs) for side in (0, 1))
    assert assembly.restored(base, assembly.difference(base, other)) == other


def test_trained_models_are_kept_as_they_are(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("scenes", "paper"):
        (out / name).symlink_to(demo.path(f"demo/{name}"))
    assert keep(out, tmp_path / "models") == assembly.DIGEST
    own = Path(demo.__file__).parent / "models" / "paper" / assembly.DIFFERENCE
    assert (tmp_path / "models" / "paper" / assembly.DIFFERENCE).read_bytes() == own.read_bytes()
