"""The libraries that such a machine lacks, as wheels: fetched here, put on the path there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["LIMIT", "NAMES", "download", "put_on_path"]

LIMIT = 20_000_000
"""Bytes that all wheels together may have."""

NAMES = (
    "diffusers==0.42.1", "importlib-metadata", "torchsde", "trampoline", "boltons",
    "ipython", "ipython-pygments-lexers", "matplotlib-inline", "decorator", "traitlets", "pexpect", "ptyprocess",
    "prompt-toolkit", "wcwidth", "stack-data", "executing", "asttokens", "pure-eval",
    "ipywidgets", "comm", "anywidget", "psygnal",
)  # fmt: skip
"""What is missing beside torch, transformers and their needs; what only IPython's completion needs is left out."""

_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def download(folder: Path) -> int:
    """Fetches the wheels for Python 3.12 on x86-64; says how many bytes they have.

    Args:
        folder: Where; made when missing.

    Raises:
        SystemExit: They have more than `LIMIT` bytes.
    """
    platforms = [argument for name in _PLATFORMS for argument in ("--platform", name)]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version",
         "3.12", "--implementation", "cp", *platforms, "--dest", str(folder), *NAMES],
        check=True,
    )  # fmt: skip
    return _size(folder)


def put_on_path(folder: Path, target: Path) -> int:
    """Unpacks the wheels into a folder that goes to the front of the path; says how many bytes they have.

    Args:
        folder: Where the wheels are.
        target: Where they are unpacked.

    Raises:
        SystemExit: There are none, or they have more than `LIMIT` bytes.
    """
    size, wheels = _size(folder), sorted(map(str, folder.glob("*.whl")))
    if not wheels:
        raise SystemExit(f"no wheels in {folder}; fetch them with --download on a machine with network.")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile",
         "--no-cache-dir", "--disable-pip-version-check", "--target", str(target), *wheels],
        check=True,
    )  # fmt: skip
    sys.path.insert(0, str(target))
    return size


def _size(folder: Path) -> int:
    size = sum(path.stat().st_size for path in folder.glob("*.whl"))
    if size > LIMIT:
        raise SystemExit(f"the wheels in {folder} have {size:,} bytes; {LIMIT:,} are allowed.")
    return size
