"""Builds the documentation site: ``python tests/tools/docs.py``; ``make docs`` calls it.

The notebooks are executed first, on tiny models where they name published ones, and become pages.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "build" / "docs-notebooks"


def main() -> int:
    """Executes, builds and says how long it took."""
    sys.path.insert(0, str(ROOT))
    os.environ.update(TRANSFORMERS_VERBOSITY="error", TQDM_DISABLE="1")
    from tests.test_notebooks import STAND_IN
    from tests.tiny import hub_cache

    began = time.perf_counter()
    hub = PAGES / "hub"
    hub_cache(hub, STAND_IN)
    given = {"HF_HUB_CACHE": str(hub), "HF_HUB_OFFLINE": "1", "NO_MKDOCS_2_WARNING": "1"}
    given["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        command = [sys.executable, str(ROOT / "tests/tools/demo.py"), str(notebook), str(PAGES / notebook.stem)]
        if subprocess.run(command, env={**os.environ, **given}, stdout=subprocess.DEVNULL, check=False).returncode:
            return 1
        print(f"  {notebook.name} executed", flush=True)
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "-f", str(ROOT / "docs/site/mkdocs.yml")]
    status = subprocess.run(command, env={**os.environ, **given}, check=False).returncode
    if not status:
        print(f"build/site/index.html, in {time.perf_counter() - began:.0f} s")
        print("Browsers search in it over http alone: python -m http.server -d build/site")
    return status


if __name__ == "__main__":
    sys.exit(main())
