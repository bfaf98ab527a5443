"""What a run shows reaches the person, whatever else the kernel does and whoever asks."""

import pytest

from tests.kernel.session import KernelSession

pytestmark = pytest.mark.kernel

BEHIND = (
    "%load_ext jupyter_latents\n"
    "run = get_ipython().run_cell_magic('dgen', '--background', "
    "'demo/scenes --prompts x --seeds 9 --inference-steps 4 --into later'); run.pause()\n"
    "run"
)


def is_lasting(message: dict) -> bool:
    return message["msg_type"] == "update_display_data" and "text/html" in message["content"]["data"]


def test_a_run_that_ends_while_a_cell_is_captured_keeps_its_output(kernel: KernelSession) -> None:
    started = kernel.execute(BEHIND, timeout=120)
    assert started.ok, started.error
    assert started.data()[-1] == "<Run, started; run = _ names it, print(run) tells how far it is, run.stop() ends it>"
    cell = kernel.start("%%capture kept\nrun.resume(); run.wait(); run.watcher.finish()")
    lasting = kernel.wait_for_message(is_lasting)
    assert "later: 4 steps" in lasting["content"]["data"]["text/plain"]
    kernel.finish(cell)
    told = kernel.execute("print(kept.outputs, run)").text()
    assert told == "[] <Run done, 1 stage, 4 model evaluations>\n"


def test_a_console_is_shown_the_result(kernel: KernelSession) -> None:
    script = "%load_ext jupyter_latents\nget_ipython().run_cell_magic('dgen', '', {!r})"
    text = "demo/scenes --prompts x --seeds 9 --inference-steps 4 --into shown"
    done = kernel.finish(kernel.start(script.format(text), console=True), timeout=120)
    assert done.ok, done.error
    assert done.updates == 0
    assert done.data("text/html"), "a console that shows pictures takes it from the bundle"
    first, last = done.data()[:2]
    assert first == "run: started"
    assert last.startswith("shown: ")


def test_a_run_that_fails_before_its_first_step_leaves_one_line(kernel: KernelSession) -> None:
    kernel.execute("%load_ext jupyter_latents")
    done = kernel.execute("%%dgen\ndemo/scenes --prompts x --image-seeds 'latents: nothing_here'", timeout=120)
    assert "no variable 'nothing_here'" in done.error
    assert [sorted(output["data"]) for output in done.outputs if "data" in output] in ([], [["text/plain"]])
