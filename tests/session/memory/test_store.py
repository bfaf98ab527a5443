"""Results on disk: another kernel repeats none of them, whatever happened to the one that wrote them."""

import os
import random
import signal
import subprocess
import tempfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jupyter_latents.errors import SettingError
from jupyter_latents.session import Session
from jupyter_latents.session.memory.store import Store
from jupyter_latents.settings import Settings
from jupyter_latents.stage import SigmaPoint
from tests import tiny
from tests.session.conftest import Desk
from tests.warm import Command

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
    desk.run(f"{FIRST.replace('--seeds 3', '--seeds 4 5')} --into several")
    told = [line for line in desk.notes.lines if "the disk is full" in line]
    assert len(told) == 1, "of two results, once"
    assert str(folder) in told[0]
    assert len(Store(folder)) == 0


def test_force_takes_the_place_of_what_is_stored(desk: Desk, folder: Path) -> None:
    desk.session.keep_in(str(folder))
    desk.run(FIRST)
    (file,) = folder.glob("*.zip")
    (longer,) = [file.rename(file.with_name(file.name.replace("000006", "000009")))]
    desk.run(f"{FIRST} --force")
    assert [left.name for left in folder.glob("*.zip")] == [file.name]
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
def test_kills_at_random_moments_leave_whole_files(desk: Desk, folder: Path, kills: int, warm: Command) -> None:
    """One kill in the midst of writing; in full under ``slow``."""
    chance = random.Random(5)
    script = desk.text("<sd15> --prompts cat --seeds SEED --inference-steps 1 --output-size 64")
    seeds = 0
    for _ in range(kills):
        command = warm("-c", ENDLESS, str(folder), str(seeds), "100000", script)
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
    here = again(desk, folder)
    assert [here.run(script.replace("SEED", str(seed))).model_evaluations for seed in range(seeds)] == [0] * seeds


SWEPT = f"{FIRST} --guidance-scales"


def test_what_stages_have_in_common_is_kept_on_disk_too(desk: Desk, folder: Path) -> None:
    desk.session.keep_in(str(folder))
    assert desk.run(f"{SWEPT} 7@0,2@0.7 --into one").model_evaluations == 6
    other = again(desk, folder)
    script = f"{SWEPT} 7@0,2@0.34 7@0,2@0.5 7@0,1@0.9 --into swept"
    assert [stage.saved for stage in other.plan(script).stages] == [2, 3, 4]
    swept = other.run(script)
    assert [result.evaluations for result in swept.results] == [4, 3, 2]
    fresh = Desk(desk.models, Session())
    for result, whole in zip(swept.results, fresh.run(script.replace("0.9 ", "0.9 --force ")).results, strict=True):
        assert torch.equal(result.latents.tensor, whole.latents.tensor)
        assert result.switches == whole.switches


def test_one_scale_shares_its_steps_on_disk_too(desk: Desk, folder: Path) -> None:
    desk.session.keep_in(str(folder))
    assert desk.run(f"{SWEPT} 7").model_evaluations == 6
    assert again(desk, folder).run(f"{SWEPT} 7@0,2@0.5").model_evaluations == 3


def test_prompts_of_another_kernel_share_their_beginning(desk: Desk, folder: Path) -> None:
    words = FIRST.replace("cat", "'[cat:dog:{}]'") + " -pw a1111"
    desk.session.keep_in(str(folder))
    desk.run(words.format(5))
    assert again(desk, folder).run(words.format(2)).model_evaluations == 4


def test_a_sweep_over_the_window_of_a_lora_runs_the_common_steps_once(desk: Desk, folder: Path, tmp_path: Path) -> None:
    file = tiny.lora(tmp_path / "lora.safetensors")
    desk.session.keep_in(str(folder))
    scripts = [f"{FIRST} --loras '{file};end={end}'" for end in (0.34, 0.5, 0.84)]
    assert [desk.run(script).model_evaluations for script in scripts[:2]] == [6, 4]
    loads = desk.session.engine.cache.loads
    last = desk.run(scripts[2]).results[0]
    assert (last.evaluations, desk.session.engine.cache.loads) == (3, loads)
    alone = Desk(desk.models, Session()).run(scripts[2]).results[0]
    assert torch.equal(last.latents.tensor, alone.latents.tensor)
    models = {step.position.model for step in last.latents.trajectory if step.position is not None}
    assert models == {alone.latents.position.model if alone.latents.position is not None else ""}


def test_notes_of_what_is_common_leave_with_their_results(desk: Desk, folder: Path) -> None:
    desk.session.keep_in(str(folder))
    desk.run(f"{SWEPT} 7@0,2@0.5")
    size = desk.session.memo.store.bytes
    assert len(list(folder.glob("*.lead"))) == 2
    small = again(desk, folder, store_size=size * 3 // 2)
    small.run(f"{SWEPT} 6@0,2@0.5")
    assert (len(list(folder.glob("*.zip"))), len(list(folder.glob("*.lead")))) == (1, 2)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"f" * 64 + b" 3", b"\xff" * 200])
def test_a_damaged_note_costs_no_more_than_its_steps(desk: Desk, folder: Path, content: bytes) -> None:
    desk.session.keep_in(str(folder))
    desk.run(f"{SWEPT} 7@0,2@0.5")
    for path in folder.glob("*.lead"):
        path.write_bytes(content)
    assert again(desk, folder).run(f"{SWEPT} 7@0,2@0.67").model_evaluations == 6


def test_a_result_of_an_earlier_version_ends_at_a_noise_level_too(desk: Desk) -> None:
    (result,) = desk.run(FIRST).results
    older = replace(result, sigmas=())
    points = [SigmaPoint(level) for level in result.sigmas[1:]]
    assert [older.step_of(point) for point in points] == [result.step_of(point) for point in points]
