"""Runs as threads: what is over when a wait returns, and when the process ends."""

import subprocess
import sys
import textwrap
import threading
import time

from jupyter_latents.session.runs.executor import LocalExecutor
from jupyter_latents.session.runs.run import Run


class Slow:
    """Work whose release takes a while, as that of a model does."""

    def __init__(self, begin: threading.Event) -> None:
        self.begin = begin

    def __call__(self, run: Run) -> None:
        self.begin.wait(30)

    def __del__(self) -> None:
        time.sleep(0.3)


def test_a_wait_returns_when_the_thread_has_let_go_of_everything() -> None:
    begin = threading.Event()
    run = LocalExecutor().submit(Slow(begin))
    begin.set()  # only now: the thread is to be the last that holds the work
    assert run.wait(30)
    assert run.thread is not None
    assert not run.thread.is_alive()


def test_a_run_can_ask_whether_it_has_ended_itself() -> None:
    asked: list[bool] = []
    run = LocalExecutor().submit(lambda run: asked.append(run.wait(0)))
    assert run.wait(30)
    assert asked == [False]


def test_a_process_that_ends_lets_its_runs_come_to_a_whole_step() -> None:
    script = """
        import time
        from jupyter_latents.session.runs.executor import LocalExecutor

        def steps(run):
            while not run.should_stop():
                time.sleep(0.01)
            print("a whole step", flush=True)

        executor = LocalExecutor()
        first = executor.submit(steps)
        executor.submit(lambda run: print("never begun"))
        while not first.steps:
            time.sleep(0.01)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "a whole step\n"
    assert done.stderr == ""


def test_no_thread_is_cut_off_inside_torch_when_the_process_ends() -> None:
    """A thread that comes back from torch while the interpreter goes away aborts the process."""
    script = """
        import threading
        import torch
        from jupyter_latents.threads import start_thread

        begun, asked = threading.Event(), threading.Event()

        def work():
            value = torch.randn(64, 64)
            begun.set()
            while not asked.is_set():
                value = torch.relu(value @ value.T) / 100

        start_thread(work, "stopped", asked.set)
        begun.wait()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
