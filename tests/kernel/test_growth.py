"""What many runs leave in a kernel: their latents, and nothing else."""

import json

import pytest

from tests.kernel.session import KernelSession

pytestmark = pytest.mark.kernel

COUNT = """
import gc, json, threading
from ipywidgets.widgets.widget import _instances
from jupyter_latents.display.live import LiveScreen, close_old_views
from jupyter_latents.display.view import RunView
from jupyter_latents.session.runs.run import Run
from comm import get_comm_manager
close_old_views()  # as the next view would
for thread in threading.enumerate():
    if thread.name.startswith(("jupyter-latents", "view-of-run")):
        thread.join(60)
gc.collect()
kept = gc.get_objects()
counted = {
    "widgets": len(_instances),
    "comms": len(get_comm_manager().comms),
    "threads": threading.active_count(),
    "views": sum(isinstance(one, RunView) for one in kept),
    "screens": sum(isinstance(one, LiveScreen) for one in kept),
    "runs": sum(isinstance(one, Run) for one in kept),
}
del kept
print(json.dumps(counted))
"""
LOAD = "%load_ext jupyter_latents\nimport torch\ntorch.set_num_threads(1)"
RUN = "%%dgen --preview-every 4\ndemo/scenes --prompts x --seeds {seed} --inference-steps 10 --into base"


def counted(kernel: KernelSession) -> dict[str, int]:
    done = kernel.execute(COUNT)
    assert done.ok, done.error
    return json.loads(done.text())


@pytest.mark.parametrize("runs", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_many_runs_leave_no_widgets_comms_threads_or_views(fresh_kernel: KernelSession, runs: int) -> None:
    """What a run leaves behind shows after five of them; fifty on demand, under ``slow``."""
    kernel = fresh_kernel
    assert kernel.execute(LOAD).ok
    assert kernel.execute(RUN.format(seed=1000).replace("steps 10", "steps 60"), timeout=180).ok
    before = counted(kernel)
    assert before["widgets"] == 0
    for seed in range(runs):
        assert kernel.execute(RUN.format(seed=seed), timeout=60).ok
    assert counted(kernel) == before
