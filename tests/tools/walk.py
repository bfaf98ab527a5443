"""Walks a stranger's path: ``python tests/tools/walk.py``; ``make walk`` and CI call it. No network is asked.

The wheel is built and installed into a fresh environment, which borrows its libraries from the one that runs this. In
an empty folder, with SDXL names in a hub folder (tiny models), the two stages of docs/refiner.md run by the command;
the picture lies on the disk, and the cell that it leads back to makes it again.
"""

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE, REFINER = "stabilityai/stable-diffusion-xl-base-1.0", "stabilityai/stable-diffusion-xl-refiner-1.0"
MOST_BYTES = 32_000_000
USE = """
import sys
from pathlib import Path
import jupyter_latents as jl

assert "site-packages" in jl.__file__, jl.__file__
(picture,) = Path("pictures").glob("*.png")
cell = jl.cell_from(str(picture))
print(cell)
again = jl.run(cell.partition("\\n")[2])
from PIL import Image, ImageChops
with Image.open(picture) as kept:
    assert ImageChops.difference(kept.convert("RGB"), again.decode()[0].convert("RGB")).getbbox() is None
alone = jl.run("demo/paper\\n--prompts cat --seeds 1 --inference-steps 2")
assert alone.decode()[0].size == (128, 128)
"""


def call(*command: str, folder: Path, **given: str) -> str:
    """Runs a command in a folder; what it said is shown where it fails."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        command, cwd=folder, env={**kept, **given}, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def build(folder: Path) -> Path:
    """The wheel, smaller than it may be."""
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    call(*pip, "-w", str(folder), str(ROOT), folder=folder)
    (wheel,) = folder.glob("*.whl")
    if wheel.stat().st_size >= MOST_BYTES:
        sys.exit(f"{wheel.name} has {wheel.stat().st_size:,} bytes, which is not below {MOST_BYTES:,}")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """A fresh environment with the wheel; other libraries are this environment's, less what is installed editable."""
    venv.create(folder / "env", with_pip=False)
    windows = sys.platform == "win32"
    python = folder / "env" / ("Scripts/python.exe" if windows else "bin/python")
    call(sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-index", "--no-deps", str(wheel),
         folder=folder)  # fmt: skip
    inside = call(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).strip()
    (Path(inside) / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


def script() -> str:
    """The first cell of docs/refiner.md, at the size of tiny models, and with a picture on the disk."""
    page = (ROOT / "docs" / "refiner.md").read_text(encoding="utf-8")
    (cell, *_) = re.findall(r"```\n%%dgen\n(.*?)```", page, re.DOTALL)
    small = cell.replace("--output-size 1024", "--output-size 64").replace("steps 40", "steps 10")
    return small.replace("--into final", "--output-path pictures\n--into final")


def main() -> int:
    """Walks, and says how long each part took."""
    sys.path.insert(0, str(ROOT))
    os.environ.update(TRANSFORMERS_VERBOSITY="error", TQDM_DISABLE="1")
    from tests.tiny import hub_cache

    with tempfile.TemporaryDirectory(prefix="jupyter-latents-walk-") as scratch:
        folder, began = Path(scratch), time.perf_counter()
        home = folder / "home"
        home.mkdir()
        wheel = build(folder)
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {time.perf_counter() - began:.0f} s")
        python = install(wheel, folder)
        print(f"installed, {time.perf_counter() - began:.0f} s")
        hub_cache(folder / "hub", {BASE: "sdxl", REFINER: "sdxl-refiner"})
        given = {"HF_HUB_CACHE": str(folder / "hub"), "HF_HUB_OFFLINE": "1", "HOME": str(home), "XDG_CACHE_HOME": ""}
        (home / "lighthouse.dgen").write_text(script(), encoding="utf-8")
        call(str(python.parent / "jupyter-latents"), "lighthouse.dgen", folder=home, **given)
        print(call(str(python), "-c", USE, folder=home, **given).rstrip())
        print(f"walked, {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
