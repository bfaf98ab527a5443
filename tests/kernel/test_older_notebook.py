"""The oldest IPython and ipywidgets that are allowed, Colab's, in an environment that differs by them alone.

Their own requirements that the present ones lack come with them. All that a kernel does is tried; no browser is.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.session import KernelSession

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

PINS = ("ipython==7.34.0", "ipywidgets==7.7.1")
THEIRS = ("backcall", "decorator", "ipython_genutils", "pickleshare")
RUN = "%%dgen{more}\ndemo/scenes --prompts x --seeds {seed} --inference-steps {steps} --into {name}"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelSession]:
    folder = tmp_path_factory.mktemp("packages")
    install = ["install", "--quiet", "--no-deps", "--target", str(folder), *PINS, *THEIRS]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", *install]
    done = subprocess.run(pip, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{', '.join(PINS)} cannot be had: {done.stderr}")
    session = KernelSession(tmp_path_factory.mktemp("kernel"), folder)
    yield session
    session.close()


def said(kernel: KernelSession, code: str) -> str:
    done = kernel.execute(code, timeout=180)
    assert done.ok, done.error
    return done.text().strip()


def test_a_session_from_loading_to_unloading(kernel: KernelSession, tmp_path: Path) -> None:
    assert (
        said(kernel, "import IPython, ipywidgets; print(IPython.__version__, ipywidgets.__version__)") == "7.34.0 7.7.1"
    )
    assert not said(kernel, "%load_ext jupyter_latents\nimport torch; torch.set_num_threads(1)")
    done = kernel.execute(RUN.format(more="", seed=1, steps=60, name="a"), timeout=180)
    assert done.ok, done.error
    assert [sorted(output["data"]) for output in done.outputs] == [["image/png", "text/html", "text/plain"]]
    assert done.text("stderr") == ""
    assert kernel.execute("a").data("image/png")
    assert kernel.execute(f"%latents save a {tmp_path}/a.safetensors").ok
    assert "clean" in kernel.execute("%latents").data()[0]
    assert "stage" in kernel.execute(RUN.format(more=" --dry-run", seed=1, steps=2, name="a")).data()[0]
    assert "did you mean --prompts?" in kernel.execute("%%dgen\ndemo/scenes --promts x").error
    assert said(kernel, "%config JupyterLatents")
    opened = kernel.execute("from jupyter_latents import panel\npanel()")
    assert opened.ok, opened.error
    assert opened.data("application/vnd.jupyter.widget-view+json")
    assert not said(kernel, "%unload_ext jupyter_latents")
    assert not said(kernel, "%load_ext jupyter_latents")


def test_the_live_view_opens_and_its_stop_is_heard(kernel: KernelSession) -> None:
    cell = kernel.start(RUN.format(more="", seed=3, steps=900, name="long"))
    kernel.wait_for_message(lambda message: "LiveWidget" in str(message["content"].get("data", {}).get("state", {})))
    kernel.interrupt()
    assert "bound (long)" in kernel.finish(cell).error
    assert 0 < int(said(kernel, "print(long.position.step)")) < 900


def test_a_background_run(kernel: KernelSession) -> None:
    assert kernel.execute(RUN.format(more=" --background", seed=4, steps=4, name="behind"), timeout=180).ok
    waited = "from jupyter_latents.session import current\n[run.wait() for run in current().executor.waiting]\n"
    assert said(kernel, f"{waited}print(behind.position.step)") == "4"
