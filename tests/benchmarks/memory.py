"""Peak memory of two stages on two models with a budget of one, against one stage on the larger alone (Linux)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.models import save_model

__all__ = ["Peak", "peaks"]

PROGRAM = """
import sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from jupyter_latents.engine.observer import Silent
from jupyter_latents.session import Session, Task
from jupyter_latents.settings import Settings
from jupyter_latents.syntax import Script
import diffusers, transformers
from diffusers import StableDiffusionPipeline


def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


base = status("VmRSS")
budget = int(sys.argv[2]) or None
session = Session(settings=Settings(model_memory=budget))
run = session.start(Task(Script(sys.argv[1])), Silent())
run.wait()
if run.error:
    raise run.error
held = sum(row.size for row in session.holdings())
print(base, status("VmHWM"), held)
"""
STAGE = '{model} --prompts "a hill" --inference-steps 2 {more}\n\n'


@dataclass(frozen=True)
class Peak:
    """Bytes of one process.

    Attributes:
        above: Peak of its resident set above that with all libraries imported.
        held: What its model cache holds at the end.
    """

    above: int
    held: int


def peaks() -> dict[str, Peak]:
    """The peaks of: the larger model alone, both with a budget of one, both with no budget."""
    with tempfile.TemporaryDirectory(prefix="jupyter-latents-benchmark-") as folder:
        large = save_model(Path(folder) / "large", (320, 448, 448), side=16, seed=1)
        small = save_model(Path(folder) / "small", (320, 416, 416), side=16, seed=2)
        one = STAGE.format(model=small, more="--seeds 1 --denoising-end 0.5 --into base")
        two = STAGE.format(model=large, more='--image-seeds "latents: base"')
        alone = STAGE.format(model=large, more="--seeds 1")
        larger = _peak(alone, 0)
        return {
            "the larger model, one stage": larger,
            "two models, budget of one": _peak(one + two, larger.held),
            "two models, no budget": _peak(one + two, 0),
        }


def _peak(script: str, budget: int) -> Peak:
    command = [sys.executable, "-c", PROGRAM, script, str(budget)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=dict(os.environ))
    if done.returncode:
        raise RuntimeError(done.stderr)
    base, peak, held = map(int, done.stdout.split()[-3:])
    return Peak((peak - base) * 1024, held)
