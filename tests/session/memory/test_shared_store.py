"""One folder of results, several processes: no result is made twice at the same time, none is torn, the size holds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import torch

from jupyter_latents.errors import StoppedError
from jupyter_latents.session import Task
from jupyter_latents.session.memory.claims import Claims
from jupyter_latents.session.memory.store import Store
from jupyter_latents.session.runs.run import Run
from jupyter_latents.settings import Settings
from jupyter_latents.stopping import StopFlag, heeding
from jupyter_latents.syntax import Script
from tests.session.conftest import Desk, Notes
from tests.warm import Command

STAGE = (
    "<sd15> --prompts cat --seeds 3 --inference-steps 4 --schedulers EulerDiscreteScheduler "
    "--output-size 64 --into base"
)

# Runs a script on a store; holds after its first step until a line comes on standard input.
OTHER = """
import sys, torch
torch.set_num_threads(1)
from jupyter_latents.engine.observer import Silent
from jupyter_latents.session import Session, Task
from jupyter_latents.syntax import Script
session = Session()
session.keep_in(sys.argv[1])

class Gate(Silent):
    def step(self, event, look):
        if event.step == 1:
            print("first step", flush=True)
            sys.stdin.readline()

    def note(self, text, *, warning=False):
        if "waited for" in text:
            print(text, flush=True)

run = session.start(Task(Script(sys.argv[2])), Gate())
run.wait()
print(run.model_evaluations if run.error is None else run.error, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def other(desk: Desk, folder: Path, warm: Command) -> Iterator[subprocess.Popen[str]]:
    """Another process that is in the midst of the stage."""
    command = warm("-c", OTHER, str(folder), desk.text(STAGE))
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert line_of(process) == "first step"
    yield process
    process.kill()
    process.communicate()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def gate(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdin is not None
    return process.stdin


class Waits(Notes):
    """Says when a run waits for another process."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def note(self, text: str, *, warning: bool = False) -> None:
        if "waited for" in text:
            self.waits.set()


def waiting(desk: Desk) -> Run:
    """A run of the stage that another process makes."""
    notes = Waits()
    run = desk.session.start(Task(Script(desk.text(STAGE), 2)), notes)
    assert notes.waits.wait(60)
    return run


def test_a_result_that_another_process_makes_is_waited_for(
    desk: Desk, folder: Path, other: subprocess.Popen[str]
) -> None:
    desk.session.keep_in(str(folder))
    stopped = waiting(desk)
    stopped.stop()
    assert stopped.wait(60)
    assert (stopped.state, stopped.model_evaluations) == ("stopped", 0)
    run = waiting(desk)
    gate(other).write("go on\n")
    gate(other).flush()
    assert line_of(other) == "4"
    assert run.wait(60)
    assert (run.error, run.model_evaluations) == (None, 0)
    assert sorted(file.suffix for file in folder.iterdir()) == [".lead", ".zip"], "no claim is left"


def test_a_claim_of_a_killed_process_is_taken_over(desk: Desk, folder: Path, other: subprocess.Popen[str]) -> None:
    assert list(folder.glob("*.claim"))
    other.send_signal(signal.SIGKILL)
    other.communicate()
    desk.session.keep_in(str(folder))
    assert desk.run(STAGE).model_evaluations == 4
    assert sorted(file.suffix for file in folder.iterdir()) == [".lead", ".zip"]
    there = desk["base"].tensor
    desk.session.keep_in(None)
    desk.run(f"{STAGE} --force")
    assert torch.equal(there, desk["base"].tensor)


def claim(folder: Path, **record: object) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "key.claim"
    path.write_text(json.dumps({"host": "another machine", "process": 1, "began": 1.0} | record))
    return path


def test_a_claim_of_another_machine_is_dead_when_nobody_touches_it(tmp_path: Path) -> None:
    path, now, told = claim(tmp_path), [0.0], list[str]()

    def pause(_seconds: float) -> None:
        now[0] += 1.0
        if now[0] == 7:
            os.utime(path, (5, 5))  # by the other machine's clock, which nobody compares with ours

    with Claims(tmp_path, dead=10, clock=lambda: now[0], pause=pause).holding("key", told.append):
        assert json.loads(path.read_bytes())["process"] == os.getpid()
    assert now[0] == 17
    assert told == ["process 1 on another machine makes this result now; it is waited for"]
    assert list(tmp_path.iterdir()) == []


def test_a_claim_that_was_half_written_dies_too(tmp_path: Path) -> None:
    path, now = claim(tmp_path), [0.0]
    path.write_bytes(b'{"host')

    def pause(_seconds: float) -> None:
        now[0] += 1.0

    with Claims(tmp_path, dead=10, clock=lambda: now[0], pause=pause).holding("key"):
        assert now[0] == 10


def test_who_waits_for_a_claim_heeds_a_stop(tmp_path: Path) -> None:
    claim(tmp_path)
    flag = StopFlag()
    claims = Claims(tmp_path, pause=lambda _: flag.stop())
    with heeding(flag), pytest.raises(StoppedError), claims.holding("key"):
        raise AssertionError("it is another's")


def test_a_claim_is_touched_while_it_is_held(tmp_path: Path) -> None:
    with Claims(tmp_path, touch=0.01).holding("key"):
        (path,) = tmp_path.iterdir()
        before = path.stat().st_mtime_ns
        deadline = time.monotonic() + 20
        while path.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline


def test_where_no_claim_can_be_written_nobody_is_waited_for(tmp_path: Path) -> None:
    ran = False
    with Claims(tmp_path / "gone").holding("key"):
        ran = True
    assert ran


def test_claims_of_dead_processes_leave_with_the_next_kernel(desk: Desk, folder: Path) -> None:
    import socket

    mine = claim(folder, host=socket.gethostname(), process=os.getpid(), began=1.0)  # the number is another's now
    others = claim(folder.parent / "more")
    Store(folder)
    Store(others.parent)
    assert (mine.exists(), others.exists()) == (False, True)


RACE = """
import sys
from pathlib import Path
from jupyter_latents.session import Task
from jupyter_latents.session.memory.claims import Claims
print("ready", flush=True)
sys.stdin.readline()
claims = Claims(Path(sys.argv[1]))
count = Path(sys.argv[1]) / "count"
for _ in range(int(sys.argv[2])):
    with claims.holding("key"):
        count.write_text(str(int(count.read_text()) + 1))
"""


@pytest.mark.parametrize("rounds", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_one_process_at_a_time_holds_a_claim(tmp_path: Path, rounds: int) -> None:
    """Each adds to a number that is read and written: what two do at once is lost."""
    claim(tmp_path, host="", process=0).unlink()
    (tmp_path / "count").write_text("0")
    source = RACE.replace("Claims(Path(sys.argv[1]))", "Claims(Path(sys.argv[1]), pause=lambda _: None)")
    command = [sys.executable, "-c", source, str(tmp_path), str(rounds)]
    several = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(3)
    ]
    for one in several:
        assert line_of(one) == "ready"
    for one in several:
        one.communicate("go\n")
    assert [one.returncode for one in several] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == str(3 * rounds)


WRITER = """
import sys, torch
torch.set_num_threads(1)
from jupyter_latents.engine.observer import Silent
from jupyter_latents.session import Session, Task
from jupyter_latents.settings import Settings
from jupyter_latents.syntax import Script
session = Session(settings=Settings(store_size=int(sys.argv[2])))
session.keep_in(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
run = session.start(Task(Script(sys.argv[3])), Silent())
run.wait()
print(run.error, flush=True)
"""


@pytest.mark.slow
def test_two_processes_that_write_keep_the_size(desk: Desk, folder: Path) -> None:
    script = desk.text("<sd15> --prompts {} --seeds 1 2 3 4 5 6 --inference-steps 1 --output-size 64")
    desk.session.keep_in(str(folder))
    desk.run(script.format("cat").replace(" 2 3 4 5 6", ""))
    size = Store(folder).bytes * 5 // 2
    several = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(size), script.format(prompt)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        for prompt in ("dog", "owl")
    ]
    for one in several:
        assert line_of(one) == "ready"
    for one in several:
        gate(one).write("go\n")
        gate(one).flush()
    for one in several:
        assert one.communicate()[0].strip() == "None"
    assert_bounded(folder, size)


def assert_bounded(folder: Path, size: int) -> None:
    assert 0 < Store(folder).bytes <= size
    assert all(Store(folder).get(file.name.split("-")[0]) is not None for file in folder.glob("*.zip"))


def test_stores_of_one_folder_keep_its_size_together(desk: Desk, folder: Path) -> None:
    """What two processes do at once, in threads; with processes under ``slow``."""
    result = desk.run(STAGE).results[0]
    first = Store(folder)
    first.put("f" * 64, result)
    size = first.bytes * 5 // 2
    together = threading.Barrier(2)

    def put(prefix: str) -> None:
        store = Store(folder, Settings(store_size=size))
        for number in range(12):
            together.wait(60)
            store.put(f"{prefix}{number:063d}", result)

    threads = [threading.Thread(target=put, args=(prefix,)) for prefix in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_bounded(folder, size)


def test_threads_of_one_process_wait_for_each_other(tmp_path: Path) -> None:
    claims, order = Claims(tmp_path, pause=lambda _: None), list[str]()
    inside, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with claims.holding("key"):
            inside.set()
            go_on.wait(60)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(60)

    def tell(_text: str) -> None:
        go_on.set()

    with claims.holding("key", tell):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
