"""Results on disk: another kernel repeats none of them, whatever happened to the one that wrote them."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
import torch

from jupyter_latents.errors import SettingError
from jupyter_latents.session import Session
from jupyter_latents.session.memory.store import Store
from jupyter_latents.settings import Settings
from tests.session.conftest import Desk

FIRST = (
    "<sd15> --prompts cat --seeds 3 --inference-steps 6 --output-size 64 --scheduler EulerAncestralDiscreteScheduler"
)
SECOND = "<sd2> --prompts dog --inference-steps 6 --image-seeds 'latents: base' --into final"
BOTH = f"{FIRST} --denoising-end 0.5 --into base\n\n{SECOND}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def again(desk: Desk, folder: Path, **settings: int) -> Desk:
    """What a new kernel has: the models and the folder."""
    fresh = Desk(desk.models, Session(settings=Settings(**settings)))
    fresh.session.keep_in(str(folder))
    return fresh


def test_another_session_repeats_no_step(desk: Desk, folder: Path) -> None:
    desk.session.keep_in(str(folder))
    whole = desk.run(BOTH)
    assert whole.model_evaluations == 6
    other = again(desk, folder)
    run = other.run(BOTH)
    assert (run.model_evaluations, run.saved_evaluations) == (0, 6)
    for name in ("base", "final"):
        assert torch.equal(other[name].tensor, desk[name].tensor)
        assert other[name].provenance == desk[name].provenance
        assert [step.digest for step in other[name].trajectory] == [step.digest for step in desk[name].trajectory]
    assert [result.start for result in run.results] == [result.start for result in whole.results]
    assert all(result.start is not None for result in whole.results)
    assert run.results[-1].images[0].tobytes() == desk.session.decode(desk["final"])[0].tobytes()


def test_a_stored_part_goes_on_exactly(desk: Desk, folder: Path) -> None:
    desk.session.keep_in(str(folder))
    desk.run(f"{FIRST} --denoising-end 0.5 --into part")
    other = again(desk, folder)
    assert other.run(f"{FIRST} --into whole").model_evaluations == 3
    desk.session.keep_in(None)
    desk.run(f"{FIRST} --force --into whole")
    assert torch.equal(other["whole"].tensor, desk["whole"].tensor)
    assert len(Store(folder)) == 1, "the longer one took the place of the part"


def test_a_damaged_file_is_dropped_and_the_stage_runs(desk: Desk, folder: Path) -> None:
    desk.session.keep_in(str(folder))
    desk.run(FIRST)
    (file,) = folder.glob("*.zip")
    content = bytearray(file.read_bytes())
    for damage in (content[: len(content) // 2], b"", content[:5000] + b"\xff" + content[5001:]):
        file.write_bytes(damage)
        assert again(desk, folder).run(FIRST).model_evaluations == 6
        assert again(desk, folder).run(FIRST).model_evaluations == 0


def test_what_cannot_be_read_now_is_not_deleted(desk: Desk, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.session.keep_in(str(folder))
    desk.run(FIRST)
    (file,) = folder.glob("*.zip")
    key = file.name.split("-")[0]

    def refused(*_: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(zipfile, "ZipFile", refused)
        assert Store(folder).get(key) is None
    assert Store(folder).get(key) is not None


def test_reading_the_store_needs_no_room_for_temporary_files(
    desk: Desk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    desk.session.keep_in(str(folder))
    desk.run(FIRST)
    other = again(desk, folder)
    for name in ("mkdtemp", "mkstemp"):
        monkeypatch.setattr(tempfile, name, full)
    assert other.run(FIRST).model_evaluations == 0


def test_a_full_disk_costs_the_store_and_not_the_run(desk: Desk, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    desk.session.keep_in(str(folder))
    monkeypatch.setattr("jupyter_latents.latents.files.atomic._write_beside", full)
    assert desk.run(f"{FIRST} --into base").model_evaluations == 6
    assert "the disk is full" in " ".join(desk.notes.lines)
    assert len(Store(folder)) == 0


def test_force_takes_the_place_of_what_is_stored(desk: Desk, folder: Path) -> None:
    desk.session.keep_in(str(folder))
    desk.run(FIRST)
    (file,) = folder.glob("*.zip")
    (longer,) = [file.rename(file.with_name(file.name.replace("000006", "000009")))]
    desk.run(f"{FIRST} --force")
    assert [left.name for left in folder.iterdir()] == [file.name]
    before = file.stat().st_mtime_ns
    desk.run(f"{FIRST} --force")
    assert file.stat().st_mtime_ns > before
    assert not longer.exists()


def test_the_size_is_kept_and_the_least_recently_used_leave(desk: Desk, folder: Path) -> None:
    desk.session.keep_in(str(folder))
    desk.run(FIRST)
    one = Store(folder).bytes
    desk = again(desk, folder, store_size=one * 5 // 2)
    for seed in (4, 5):
        time.sleep(0.05)
        desk.run(FIRST.replace("--seeds 3", f"--seeds {seed}"))
    assert len(Store(folder)) == 2
    assert again(desk, folder).run(FIRST.replace("--seeds 3", "--seeds 4")).model_evaluations == 0
    assert again(desk, folder).run(FIRST).model_evaluations == 6


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="cannot be written to"):
        Session().keep_in(str(tmp_path / "file" / "store"))


ENDLESS = """
import sys, torch
torch.set_num_threads(1)
from jupyter_latents.engine.observer import Silent
from jupyter_latents.session import Session, Task
from jupyter_latents.syntax import Script
session = Session()
session.keep_in(sys.argv[1])
for seed in range(int(sys.argv[2]), int(sys.argv[3])):
    run = session.start(Task(Script(sys.argv[4].replace("SEED", str(seed)))), Silent())
    run.wait()
    print(seed, run.model_evaluations, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_kills_at_random_moments_leave_whole_files(desk: Desk, folder: Path, kills: int) -> None:
    """One kill in the midst of writing; in full under ``slow``."""
    chance = random.Random(5)
    script = desk.text("<sd15> --prompts cat --seeds SEED --inference-steps 1 --output-size 64")
    seeds = 0
    for _ in range(kills):
        command = [sys.executable, "-c", ENDLESS, str(folder), str(seeds), "100000", script]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.5))
            process.kill()
            seeds += 1 + len(process.stdout.readlines())
    files = list(folder.glob("*.zip"))
    assert len(files) >= seeds
    assert all(zipfile.ZipFile(file).testzip() is None for file in files)
    assert all(Store(folder).get(file.name.split("-")[0]) is not None for file in files)
    command = [sys.executable, "-c", ENDLESS, str(folder), "0", str(seeds), script]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["0"] * seeds
