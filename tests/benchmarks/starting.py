"""What loading costs, each time in a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

SHELL = "from IPython.core.interactiveshell import InteractiveShell as S; s = S.instance(); "
PROGRAMS = {
    "python": "pass",
    "import jupyter_latents": "import jupyter_latents",
    "bare IPython": SHELL,
    "IPython with %load_ext": SHELL + "s.run_line_magic('load_ext', 'jupyter_latents')",
    "import torch": "import torch",
}


def programs() -> dict[str, Callable[[], object]]:
    """Each program as a process of its own."""
    environment = {**os.environ, "IPYTHONDIR": tempfile.mkdtemp(prefix="jupyter-latents-benchmark-")}

    def process(program: str) -> Callable[[], object]:
        command = [sys.executable, "-c", program]
        return lambda: subprocess.run(command, check=True, capture_output=True, env=environment)

    return {name: process(program) for name, program in PROGRAMS.items()}
