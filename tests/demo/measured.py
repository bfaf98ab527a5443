"""Which weights were measured, and by what: digests that say whether the long measurement can tell anything new.

``python -m tests.demo.measured`` trains the classifier, measures in full and, where that passes, writes down the
digests of what it measured.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from jupyter_latents.demo import MODELS, path
from jupyter_latents.demo.training import captions, data, land, layers, palette, scenes, styles
from tests.demo.classifier import FILE, train_anew

__all__ = ["CHANGED", "RECORD", "changed", "digests", "long_measurement"]

HERE = Path(__file__).parent
RECORD = HERE / "measured.json"
DRAWING = (captions, data, land, layers, palette, scenes, styles)
MEASUREMENT = ("classifier.py", "classifier.safetensors", "prompts.py", "test_quality.py")


def digests() -> dict[str, str]:
    """Digest by what was measured and by what measures: a model's files, the drawings, the measurement."""
    sources = {f"drawing/{Path(module.__file__).name}": Path(module.__file__) for module in DRAWING}
    sources |= {f"measurement/{name}": HERE / name for name in MEASUREMENT}
    files = {
        f"{name}/{file.relative_to(path(name)).as_posix()}": file
        for name in MODELS
        for file in sorted(path(name).rglob("*"))
        if file.is_file()
    }
    present = {name: file for name, file in (files | sources).items() if file.exists()}
    return {name: hashlib.sha256(_content(file)).hexdigest() for name, file in present.items()}


def _content(file: Path) -> bytes:
    """A file's bytes; of source all but its imports, for a module that moves draws the same."""
    if file.suffix != ".py":
        return file.read_bytes()
    lines = file.read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith(("import ", "from "))).encode()


def changed() -> list[str]:
    """Names of what is not as it was when it was measured, or is there no more."""
    recorded, present = json.loads(RECORD.read_text("utf-8")), digests()
    return sorted(name for name in recorded.keys() | present.keys() if recorded.get(name) != present.get(name))


CHANGED = changed()
"""Empty where the weights present were measured as they are."""


def long_measurement(test: Callable[..., None]) -> Callable[..., None]:
    """Runs a test on demand only, with the other ``slow`` ones, where nothing has changed since it was measured."""
    return test if CHANGED else pytest.mark.slow(test)


def main() -> int:
    """Train, measure, write down; returns the exit status."""
    safetensors.torch.save_file(train_anew().state_dict(), FILE)
    command = [sys.executable, "-m", "pytest", "-m", "slow or not slow", "-n", "0", "-s", str(HERE / "test_quality.py")]
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        RECORD.write_text(json.dumps(digests(), indent=1, sort_keys=True) + "\n", "utf-8")
    return status


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
