"""What ran: the machine in words without its name, versions, the commit, and torch's switches that decide results."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["commit", "head", "import_all", "switches"]

_LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "peft", "numpy", "triton")


def head(device: str, *, tiny: bool) -> dict[str, Any]:
    """The head of the file.

    Args:
        device: The torch device that it runs on.
        tiny: Whether models of a toy's size stand in for all.
    """
    return {
        "date": dt.datetime.now(tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "tiny": tiny,
        "device": device,
        "machine": _words(device),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in _LIBRARIES if any(metadata.distributions(name=name))},
        "switches": switches(),
    }


def commit() -> str:
    """The commit that ran, short; of a copy without history what the environment says."""
    said = os.environ.get("JUPYTER_LATENTS_COMMIT")
    if said:
        return said[:12]
    done = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],
        capture_output=True, check=False, text=True, cwd=Path(__file__).parent,
    ) if _has_git() else None  # fmt: skip
    return done.stdout.strip() if done is not None and done.returncode == 0 else ""


def _has_git() -> bool:
    import shutil

    return shutil.which("git") is not None


def _words(device: str) -> str:
    import psutil
    import torch

    ram = psutil.virtual_memory().total / 2**30
    rest = f"{os.cpu_count()} {platform.machine()} cores, {ram:.0f} GiB of RAM, {platform.system()}"
    if not device.startswith("cuda"):
        return f"no accelerator: {rest}"
    found = torch.cuda.get_device_properties(0)
    cuda = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return f"{found.name} with {found.total_memory / 2**30:.0f} GiB, {cuda}, {rest}"


def switches() -> dict[str, Any]:
    """Torch's switches that decide results; the programme leaves them as torch has them unless a row says otherwise."""
    import torch

    backends: Any = torch.backends
    return {
        "cudnn.benchmark": backends.cudnn.benchmark,
        "cudnn.deterministic": backends.cudnn.deterministic,
        "cudnn.allow_tf32": backends.cudnn.allow_tf32,
        "cuda.matmul.allow_tf32": backends.cuda.matmul.allow_tf32,
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "float32 matmul precision": torch.get_float32_matmul_precision(),
        "CUBLAS_WORKSPACE_CONFIG": os.environ.get("CUBLAS_WORKSPACE_CONFIG", ""),
    }


def import_all() -> float:
    """Imports what the sections need before the first of them begins; says how many seconds that took."""
    import importlib
    import time

    begun = time.monotonic()
    for name in ("diffusers", "transformers", "torch.profiler", "torch.utils.flop_counter", "tests.benchmarks.stages",
                 "tests.tiny", "jupyter_latents.engine.local", "jupyter_latents.display.view"):  # fmt: skip
        importlib.import_module(name)
    import diffusers

    from jupyter_latents.engine.models.families import FAMILIES

    for family in FAMILIES:
        for pipeline in (family.txt2img, family.img2img):
            if pipeline is not None:
                getattr(diffusers, pipeline)
    return round(time.monotonic() - begun, 1)
