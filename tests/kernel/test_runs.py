"""Runs in a real kernel: interrupted, in the background, nested, queued."""

import pytest

from tests.kernel.session import KernelSession

pytestmark = pytest.mark.kernel

LONG = (
    '%%dgen\ndemo/scenes --prompts "a sunset over the sea" --seeds 7 --inference-steps {steps} '
    "--scheduler EulerAncestralDiscreteScheduler --into {name} {more}"
)
SETUP = """
import time, torch
torch.set_num_threads(1)
from IPython import get_ipython
from IPython.display import clear_output
%load_ext jupyter_latents
from jupyter_latents.session import current
session = current()
"""
# Interrupts the kernel itself, as the front end's button does, once a run has done some steps.
BUTTON = """
import os, signal, threading
def press(after):
    def watch():
        while not session.executor.waiting or session.executor.waiting[0].steps < after:
            time.sleep(0.01)
        session.executor.waiting[0].pause()  # so that it cannot end first
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=watch, daemon=True).start()
"""


@pytest.fixture(scope="module")
def ready(kernel: KernelSession) -> KernelSession:
    for code in (SETUP, BUTTON, LONG.format(steps=2, name="warm", more="")):
        done = kernel.execute(code, timeout=180)
        assert done.ok, done.error
    return kernel


def value(kernel: KernelSession, expression: str) -> str:
    done = kernel.execute(f"print({expression})")
    assert done.ok, done.error
    return done.text().strip()


def test_interrupt_ends_at_a_whole_step_and_binds_what_there_is(ready: KernelSession) -> None:
    kernel = ready
    kernel.execute("press(after=5)")
    stopped = kernel.execute(LONG.format(steps=200, name="part", more=""), timeout=120)
    assert "Interrupted" in stopped.error
    assert "Traceback" not in stopped.error
    assert 5 <= int(value(kernel, "part.position.step")) < 200
    assert value(kernel, "part.resume is not None and not part.is_clean") == "True"


def test_what_was_interrupted_goes_on_to_the_exact_unsplit_result(ready: KernelSession) -> None:
    kernel = ready
    kernel.execute("press(after=4)")
    kernel.execute(LONG.format(steps=24, name="part", more=""), timeout=120)
    assert 4 <= int(value(kernel, "part.position.step")) < 24
    rest = '--image-seeds "latents: part"'
    assert kernel.execute(LONG.format(steps=24, name="rest", more=rest).replace("--seeds 7", ""), timeout=120).ok
    assert kernel.execute(LONG.format(steps=24, name="whole", more="--force"), timeout=120).ok
    assert value(kernel, "torch.equal(rest.tensor, whole.tensor)") == "True"


def test_the_kernel_works_on_after_an_interrupt(ready: KernelSession) -> None:
    kernel = ready
    kernel.execute("press(after=2)")
    kernel.execute(LONG.format(steps=200, name="part", more=""), timeout=120)
    assert value(kernel, "1 + 1") == "2"
    assert value(kernel, "len(session.executor.waiting)") == "0"
    assert value(kernel, "[t.name for t in threading.enumerate() if t.name.startswith('jupyter-latents')]") == "[]"


def test_a_background_run_leaves_the_kernel_free(ready: KernelSession) -> None:
    kernel = ready
    started = kernel.execute(
        "run = get_ipython().run_cell_magic('dgen', '--background', "
        "'demo/scenes --prompts x --seeds 9 --inference-steps 60 --into later'); run.pause()"
    )
    assert started.ok, started.error
    assert value(kernel, "run.state in ('queued', 'paused')") == "True"
    assert value(kernel, "run.resume(), run.wait(120), run.state, later.position.step") == "None True done 60"


def test_runs_queue_and_a_queued_one_can_be_stopped(ready: KernelSession) -> None:
    kernel = ready
    kernel.execute(
        "magic = get_ipython().run_cell_magic\n"
        "script = 'demo/scenes --prompts x --inference-steps 30 --seeds {0} --into q{0}'\n"
        "runs = [magic('dgen', '--background', script.format(seed)) for seed in (21, 22, 23)]\n"
        "runs[2].stop()"
    )
    assert value(kernel, "[run.wait(120) for run in runs]") == "[True, True, True]"
    assert value(kernel, "[run.state for run in runs]") == "['done', 'done', 'stopped']"
    assert value(kernel, "'q22' in globals(), 'q23' in globals()") == "True False"


def test_a_paused_run_holds_and_goes_on(ready: KernelSession) -> None:
    kernel = ready
    kernel.execute(
        "run = get_ipython().run_cell_magic('dgen', '--background', "
        "'demo/scenes --prompts x --seeds 31 --inference-steps 40 --into held')\n"
        "while run.steps < 3: time.sleep(0.01)\n"
        "run.pause(); before = run.steps; time.sleep(2)\n"
        "after, state = run.steps, run.state; run.resume()"
    )
    assert value(kernel, "after - before <= 1, state") == "True paused"  # the step that was under way ends
    assert value(kernel, "run.wait(120), held.position.step") == "True 40"


@pytest.mark.parametrize("line", ["%%time", "%%capture kept"])
def test_a_run_nests_under_other_magics(line: str, ready: KernelSession) -> None:
    done = ready.execute(f"{line}\n{LONG.format(steps=3, name='nested', more='--force')}", timeout=120)
    assert done.ok, done.error
    assert value(ready, "nested.is_clean") == "True"


def test_an_interrupt_under_time_ends_cleanly(ready: KernelSession) -> None:
    kernel = ready
    kernel.execute("press(after=3)")
    stopped = kernel.execute("%%time\n" + LONG.format(steps=200, name="timed", more="--force"), timeout=120)
    assert not stopped.ok
    assert int(value(kernel, "timed.position.step")) < 200


def test_an_error_shows_one_message_with_its_place(ready: KernelSession) -> None:
    done = ready.execute("%%dgen\ndemo/scenes\n--promts x")
    assert "did you mean --prompts?" in done.error
    assert "line 3, column 1" in done.error
    assert "File " not in done.error


def test_a_question_is_answered_and_runs_nothing(ready: KernelSession) -> None:
    for cell in ("%%dgen\n--seeds?", "%%dgen\ndemo/scenes --prompts x\n--seeds?", "%dgen --help seeds"):
        asked = ready.execute(cell)
        assert asked.ok, asked.error
        assert asked.text().startswith("--seeds, -se SEED")
        assert asked.data() == []
    (page,) = ready.execute("%%dgen?").reply["payload"]
    pointed = ready.client.inspect("%%dgen\ndemo/scenes", 4, reply=True, timeout=30)["content"]  # Shift-Tab on %%dgen
    for text in (page["data"]["text/plain"], pointed["data"]["text/plain"]):
        assert "--dry-run, -n" in text
        assert "--denoising-end" in text


def test_few_messages_are_sent_however_many_steps_run(ready: KernelSession) -> None:
    done = ready.execute(LONG.format(steps=50, name="many", more="--force"), timeout=120)
    assert done.ok, done.error
    assert done.updates <= 60
    assert done.text("stderr") == ""
