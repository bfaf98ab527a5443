"""Put trained models into the package: ``python -m jupyter_latents.demo.training.keep build/demo-models``.

The models are those of ``train --out``. Of ``paper`` only what differs from ``scenes`` is kept; see `assembly`.
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import shutil
from pathlib import Path

from jupyter_latents.demo.assembly import DIFFERENCE, WEIGHTS, difference

MODELS = Path(__file__).parent.parent / "models"


def keep(out: Path, models: Path = MODELS) -> str:
    """Copies the models and writes how `paper` differs.

    Args:
        out: The folders ``scenes``, ``paper`` and, where it was trained, ``flow``.
        models: Where the package keeps them.

    Returns:
        What `assembly.DIGEST` must be from now on.

    Raises:
        ValueError: Another file of ``paper`` differs from that of ``scenes``.
    """
    scenes, paper = out / "scenes", out / "paper"
    files = sorted(file.relative_to(paper) for file in paper.rglob("*") if file.is_file())
    other = [file for file in files if not filecmp.cmp(paper / file, scenes / file, shallow=False)]
    if [file.as_posix() for file in other] != [WEIGHTS]:
        raise ValueError(f"paper may differ from scenes in {WEIGHTS} alone; it does in {', '.join(map(str, other))}")
    for name in ("scenes", "flow"):
        if (out / name).exists():
            shutil.rmtree(models / name, ignore_errors=True)
            shutil.copytree(out / name, models / name)
    weights = (paper / WEIGHTS).read_bytes()
    kept = models / "paper" / DIFFERENCE
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(difference((scenes / WEIGHTS).read_bytes(), weights))
    return hashlib.sha256(weights).hexdigest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    print(f'DIGEST = "{keep(parser.parse_args().out)}"  # of assembly.py')
