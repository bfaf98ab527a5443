"""JupyterLab and Notebook 7 in a real browser, driven by their own commands."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import deque
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

from tests.tools.quiet_lab import ALL_CELLS, NO_AUTOSAVE, QUIET, write_settings
from tests.warm import KERNEL, write_kernelspec

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOUD = {"error", "warning"}
SERVER_SECONDS = 90
OPEN_SECONDS = 60

# `sessionContext.ready` resolves when the kernel has answered. The opened notebook is kept for the calls below.
OPENED = """async (path) => {
    await window.jupyterapp.restored;
    const panel = await window.jupyterapp.commands.execute('docmanager:open', {path, factory: 'Notebook'});
    window.jupyterapp.shell.activateById(panel.id);
    await panel.context.ready;
    await panel.revealed;
    await panel.sessionContext.ready;
    window.panel = panel;
    window.runs = [];
}"""
OPENED_ALONE = """async () => {
    await window.jupyterapp.restored;
    let panel = null;
    while (!(panel = window.jupyterapp.shell.currentWidget)?.sessionContext) {
        await new Promise((done) => setTimeout(done, 50));
    }
    await panel.context.ready;
    await panel.sessionContext.ready;
    window.panel = panel;
    window.runs = [];
}"""
# JupyterLab's commands act on the current widget, and a page that lay behind another tab may have none.
CURRENT = """async () => {
    const shell = window.jupyterapp.shell;
    while (shell.currentWidget !== window.panel) {
        shell.activateById(window.panel.id);
        await new Promise((done) => setTimeout(done, 50));
    }
}"""
# The promise of a command resolves when the cell ends; it is looked at, not awaited, so that a test can act meanwhile.
STARTED = """(index) => {
    window.panel.content.deselectAll();
    window.panel.content.activeCellIndex = index;
    const run = {ended: false};
    window.jupyterapp.commands.execute('notebook:run-cell').finally(() => { run.ended = true; });
    return window.runs.push(run) - 1;
}"""


class LabServer:
    """A JupyterLab server for the notebooks of one folder, with all of its settings in another.

    Args:
        notebooks: Folder that the server shows.
        private: Empty folder for configuration, settings and the log.
    """

    def __init__(self, notebooks: Path, private: Path) -> None:
        self.notebooks = notebooks
        self.log = private / "server.log"
        self.url = f"http://127.0.0.1:{_free_port()}"
        folders = {
            name: str(private / name.lower())
            for name in (
                "JUPYTER_CONFIG_DIR",
                "JUPYTER_RUNTIME_DIR",
                "JUPYTER_DATA_DIR",
                "IPYTHONDIR",
                "JUPYTERLAB_SETTINGS_DIR",
                "JUPYTERLAB_WORKSPACES_DIR",
            )
        }
        write_settings(Path(folders["JUPYTERLAB_SETTINGS_DIR"]), QUIET, ALL_CELLS, NO_AUTOSAVE)
        write_kernelspec(Path(folders["JUPYTER_DATA_DIR"]))
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
                    f"--port={self.url.rpartition(':')[2]}", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
                    "--ServerApp.disable_check_xsrf=True", "--LabApp.expose_app_in_browser=True",
                    "--JupyterNotebookApp.expose_app_in_browser=True",
                    "--LabApp.extension_manager=readonly", f"--ServerApp.root_dir={notebooks}",
                ],
                env=os.environ | folders, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def wait(self) -> None:
        """Waits until the server answers.

        Raises:
            RuntimeError: It ended, or does not answer in time; with the end of its log.
        """
        deadline = time.monotonic() + SERVER_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/api/status", timeout=5):
                    return
            except (urllib.error.URLError, TimeoutError):
                time.sleep(0.1)
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text()[-3000:]}")

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class LabPage:
    """One notebook in one page of the browser.

    Attributes:
        heard: The last errors and warnings of the page's scripts.

    Args:
        page: A fresh page.
        server: The server whose notebooks are opened.
    """

    def __init__(self, page: Page, server: LabServer) -> None:
        self.page = page
        self.server = server
        self.name = ""
        self.heard: deque[str] = deque(maxlen=30)
        page.on("console", lambda said: self.heard.append(said.text[:500]) if said.type in LOUD else None)
        page.on("pageerror", lambda error: self.heard.append(str(error)[:500]))

    def write(self, name: str, *sources: str) -> Path:
        """Writes a notebook of code cells into the server's folder."""
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
        notebook.metadata["kernelspec"] = {"name": KERNEL, "display_name": "Python 3 (warm)", "language": "python"}
        path = self.server.notebooks / name
        nbformat.write(notebook, path)
        return path

    def open(self, name: str) -> None:
        """Opens a notebook of the server's folder and waits for its kernel.

        In a workspace of its own: where another tab has the same one, JupyterLab loads the page a second time.
        """
        self.name = name
        self.page.goto(f"{self.server.url}/lab/workspaces/{uuid.uuid4().hex}")
        self.page.wait_for_function("window.jupyterapp !== undefined", timeout=OPEN_SECONDS * 1000)
        self.page.evaluate(OPENED, name)

    def start_cell(self, index: int) -> int:
        """Starts a cell and returns at once with a number for `wait_for`."""
        self.make_current()
        return int(self.page.evaluate(STARTED, index))

    def wait_for(self, run: int, timeout: float = 120) -> None:
        """Waits until a started cell has ended."""
        self.page.wait_for_function("(run) => window.runs[run].ended", arg=run, timeout=timeout * 1000)

    def run_cell(self, index: int, timeout: float = 120) -> Locator:
        """Runs a cell to its end and returns its output area."""
        self.wait_for(self.start_cell(index), timeout)
        return self.output(index)

    def said(self, index: int, timeout: float = 120) -> str:
        """Runs a cell and returns the text of its last output, which is drawn a moment after the cell has ended."""
        last = self.run_cell(index, timeout).locator(".jp-OutputArea-output").last
        expect(last).not_to_have_text("")
        return last.inner_text()

    def cell(self, index: int) -> Locator:
        """The cell on the page, 0 for the first."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell").nth(index)

    def output(self, index: int) -> Locator:
        """The output area of a cell."""
        return self.cell(index).locator(".jp-OutputArea").first

    def make_current(self) -> None:
        """Brings the page to the front and makes its notebook the one that commands act on."""
        self.page.bring_to_front()
        self.page.evaluate(CURRENT)

    def interrupt(self) -> None:
        """The ■ button."""
        self.make_current()
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")

    def save(self) -> nbformat.NotebookNode:
        """Saves the notebook and returns it as it is in the file."""
        self.make_current()
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        return nbformat.read(self.server.notebooks / self.name, as_version=4)

    def shut_kernel(self) -> None:
        """Ends the kernel of the open notebook."""
        self.page.evaluate("() => window.panel.sessionContext.shutdown()")

    def screenshot(self, path: Path | str) -> Path:
        """A picture of the page."""
        self.page.screenshot(path=path)
        return Path(path)


def until(locator: Locator, script: str, wanted: object, timeout: float = 30) -> None:
    """Waits until a function of the page, given the element or elements of a locator, returns `wanted`.

    What the page shows right after an action may be what was there before it: nothing is read without waiting.
    """
    deadline, found = time.monotonic() + timeout, None
    while time.monotonic() < deadline:
        found = locator.evaluate_all(script) if script.startswith("(parts)") else locator.evaluate(script)
        if found == wanted:
            return
        locator.page.wait_for_timeout(50)
    raise AssertionError(f"the page shows {found!r}, not {wanted!r}")


class NotebookPage(LabPage):
    """One notebook in Notebook 7, which the same server serves."""

    def open(self, name: str) -> None:
        """Opens a notebook of the server's folder and waits for its kernel."""
        self.name = name
        self.page.goto(f"{self.server.url}/notebooks/{name}")
        self.page.wait_for_function("window.jupyterapp !== undefined", timeout=OPEN_SECONDS * 1000)
        self.page.evaluate(OPENED_ALONE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
