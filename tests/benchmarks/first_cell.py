"""The first cell of a kernel: from Run to its first step after some seconds of typing, and completions meanwhile."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.kernel.session import KernelSession

TYPING = 6.0
LOAD = """\
%load_ext jupyter_latents
%config JupyterLatents.import_ahead = {ahead}
"""
CELL = """\
import time
began = time.perf_counter()
run = get_ipython().run_cell_magic("dgen", "--background", {script!r})
next(iter(run))
print(time.perf_counter() - began)
run.stop()
"""
SCRIPT = 'demo/scenes\n--prompts "a red sunset" --seeds 7 --inference-steps 20\n'
TYPED = "%%dgen\ndemo/scenes\n--prompts 'a red sunset' --inf"


def first_step(ahead: bool) -> float:
    """Seconds from Run to the first step in a fresh kernel whose user types for `TYPING` seconds.

    Args:
        ahead: Whether the kernel imports meanwhile.
    """
    kernel = KernelSession(Path(tempfile.mkdtemp(prefix="jupyter-latents-benchmark-")))
    try:
        kernel.execute(LOAD.format(ahead=ahead))
        time.sleep(TYPING)
        return float(kernel.execute(CELL.format(script=SCRIPT)).text())
    finally:
        kernel.close()


def completions(count: int = 100) -> list[float]:
    """How long each completion took, asked one after another while a fresh kernel imports ahead.

    Args:
        count: How many are asked; a hundred take about as long as the imports.
    """
    kernel = KernelSession(Path(tempfile.mkdtemp(prefix="jupyter-latents-benchmark-")))
    try:
        kernel.execute(LOAD.format(ahead=True))
        taken = []
        for _ in range(count):
            began = time.perf_counter()
            matches = kernel.client.complete(TYPED, reply=True, timeout=60)["content"]["matches"]
            if "--inference-steps" not in matches:
                raise RuntimeError(f"the completion answered {matches}")
            taken.append(time.perf_counter() - began)
            time.sleep(0.02)
        return taken
    finally:
        kernel.close()
