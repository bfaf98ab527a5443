"""Stopping from the view, the button and behind the cell, on the present ipykernel and on the last one before it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.session import KernelSession
from tests.warm import KERNEL

pytestmark = pytest.mark.kernel

OLDER = "7.3.0"  # answers widgets on subshells without help; 7.4 does not
STEPS = 900  # of a run that is never let come to its end
RUN = "%%dgen{line}\ndemo/scenes --prompts x --seeds {seed} --inference-steps {steps} --into {name}"


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the older ipykernel alone."""
    folder = tmp_path_factory.mktemp("packages")
    install = ["install", "--quiet", "--no-deps", "--target", str(folder), f"ipykernel=={OLDER}"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *install],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"ipykernel {OLDER} cannot be had: {done.stderr}")
    return folder


@pytest.fixture(scope="module", params=["present", OLDER])
def kernel(request: Any, tmp_path_factory: pytest.TempPathFactory, warm: object) -> Iterator[KernelSession]:
    packages = request.getfixturevalue("older") if request.param == OLDER else None
    name = "python3" if packages else KERNEL
    session = KernelSession(tmp_path_factory.mktemp("kernel"), packages, name)
    load = "%load_ext jupyter_latents\nimport torch, ipykernel\ntorch.set_num_threads(1)\nprint(ipykernel.__version__)"
    version = session.execute(load).text().strip()
    assert (version == OLDER) == (request.param == OLDER)
    assert session.execute(RUN.format(line="", seed=1, steps=2, name="warm"), timeout=180).ok
    yield session
    session.close()


def stopped_at(kernel: KernelSession, name: str) -> int:
    return int(kernel.execute(f"print({name}.position.step)").text())


def is_view(message: dict[str, Any]) -> bool:
    opened = message["msg_type"] == "comm_open" and message["content"]["data"].get("state", {})
    return bool(opened) and "LiveWidget" in str(opened.get("_anywidget_id", ""))


def test_the_views_stop_reaches_a_running_cell(kernel: KernelSession) -> None:
    shell = kernel.subshell()
    cell = kernel.start(RUN.format(line="", seed=2, steps=STEPS, name="viewed"))
    view = kernel.wait_for_message(is_view)["content"]["comm_id"]
    kernel.send_custom(view, {"cmd": "sync", "page": "one"}, shell)
    kernel.wait_for_message(lambda message: "points" in str(message["content"]))
    kernel.send_custom(view, {"cmd": "stop"}, shell)
    kernel.finish(cell)
    assert 0 < stopped_at(kernel, "viewed") < STEPS


def test_the_interrupt_button_ends_a_cell(kernel: KernelSession) -> None:
    shell = kernel.subshell()
    cell = kernel.start(RUN.format(line="", seed=3, steps=STEPS, name="pressed"))
    view = kernel.wait_for_message(is_view)["content"]["comm_id"]
    kernel.send_custom(view, {"cmd": "sync", "page": "one"}, shell)
    kernel.wait_for_message(lambda message: "points" in str(message["content"]))  # a step is done
    kernel.interrupt()
    assert "Interrupted" in kernel.finish(cell).error
    assert 0 < stopped_at(kernel, "pressed") < STEPS


def test_a_run_behind_leaves_the_kernel_free(kernel: KernelSession) -> None:
    assert kernel.execute(RUN.format(line=" --background", seed=4, steps=60, name="behind")).ok
    assert kernel.execute("print(6 * 7)").text().strip() == "42"
    kernel.execute("from jupyter_latents.session import current")
    ended = kernel.execute("print([run.wait(120) for run in current().executor.waiting])", timeout=130)
    assert ended.ok, ended.error
    assert stopped_at(kernel, "behind") == 60
