"""What starting costs, each time in a fresh process: loading the extension, and a two-stage script from cold."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

SHELL = "from IPython.core.interactiveshell import InteractiveShell as S; s = S.instance(); "
PROGRAMS = {
    "python": "pass",
    "import jupyter_latents": "import jupyter_latents",
    "bare IPython": SHELL,
    "IPython with %load_ext": SHELL + "s.run_line_magic('load_ext', 'jupyter_latents')",
    "import torch": "import torch",
}
SCRIPT = """\
demo/scenes
--prompts "a red sunset" --seeds 7 --inference-steps 20
--denoising-end 0.8 --into base

demo/paper
--prompts "clouds" --inference-steps 20
--image-seeds "latents: base"
--output-path {folder} --output-overwrite
"""
THREADS = "import torch; torch.set_num_threads(1); "
BARE = """
from diffusers import StableDiffusionPipeline
from jupyter_latents import demo
for name, prompt, steps in (("demo/scenes", "a red sunset", 16), ("demo/paper", "clouds", 4)):
    pipeline = StableDiffusionPipeline.from_pretrained(demo.path(name), dtype=torch.float32)
    generator = torch.Generator().manual_seed(7)
    picture = pipeline(prompt, num_inference_steps=steps, guidance_scale=5.0, generator=generator).images[0]
picture.save(r"{folder}/bare.png")
"""
OURS = """
from pathlib import Path
from jupyter_latents.engine.observer import Silent
from jupyter_latents.session import Session, Task
from jupyter_latents.syntax import Script
run = Session().start(Task(Script(Path(r"{folder}/two.dgen").read_text())), Silent())
run.wait()
if run.error:
    raise run.error
"""
CELL = SHELL + "s.run_line_magic('load_ext', 'jupyter_latents'); s.run_line_magic('dgen', r'--file {folder}/two.dgen')"


def programs() -> dict[str, Callable[[], object]]:
    """Each program as a process of its own."""
    return {name: _process(program) for name, program in PROGRAMS.items()}


def scripts() -> dict[str, Callable[[], object]]:
    """Two pictures' worth of stages from cold: by diffusers alone, by a session, by a terminal's ``%dgen --file``.

    The bare script makes 16 and 4 steps as two runs of its own, as diffusers has no split; its imports and its model
    evaluations are those of the other two.
    """
    folder = Path(tempfile.mkdtemp(prefix="jupyter-latents-benchmark-"))
    (folder / "two.dgen").write_text(SCRIPT.format(folder=folder / "made"))
    return {
        "bare diffusers script": _process(THREADS + BARE.format(folder=folder)),
        ".dgen script, session": _process(THREADS + OURS.format(folder=folder)),
        ".dgen script, IPython": _process(THREADS + CELL.format(folder=folder)),
    }


def _process(program: str) -> Callable[[], object]:
    environment = {**os.environ, "IPYTHONDIR": tempfile.mkdtemp(prefix="jupyter-latents-benchmark-")}
    command = [sys.executable, "-c", program]

    def run() -> None:
        done = subprocess.run(command, check=False, capture_output=True, env=environment, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)

    return run
