"""Cells as a person waits for them: in a real kernel, with the live view and the output that stays."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.stages import CELL

__all__ = ["notebook_cells"]

LOAD = "%load_ext jupyter_latents\nimport torch\ntorch.set_num_threads({threads})"


@contextmanager
def notebook_cells(threads: int = 1) -> Iterator[dict[str, Callable[[], object]]]:
    """Cells in one kernel, from sending them to the end of their outputs.

    Args:
        threads: Threads of torch.
    """
    from tests.kernel.session import KernelSession

    kernel = KernelSession(Path(tempfile.mkdtemp(prefix="jupyter-latents-benchmark-")))
    seeds = itertools.count(100)

    def cell(seed: int, options: str = "") -> object:
        done = kernel.execute(
            f"%%dgen{options}\n{CELL.replace('--seeds 7', f'--seeds {seed}')}--into base", timeout=300
        )
        if not done.ok:
            raise RuntimeError(done.error)
        return done

    try:
        kernel.execute(LOAD.format(threads=threads))
        cell(7)
        yield {
            "an empty cell": lambda: kernel.execute("pass"),
            "another seed": lambda: cell(next(seeds)),
            "another seed, previews off": lambda: cell(next(seeds), " --preview-every off"),
            "the first cell again": lambda: cell(7),
        }
    finally:
        kernel.close()
