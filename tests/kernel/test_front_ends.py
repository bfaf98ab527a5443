"""What programs, consoles and converters show of a run.

Those that are no part of the test environment are tried where they are installed: ``pip install papermill jupytext
marimo jupyter-console qtconsole PyQt5``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pexpect
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter, SlidesExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.warm import KERNEL

pytestmark = pytest.mark.kernel

STAGE = "demo/scenes --seeds 1 --inference-steps 30 --output-size 64 --into base"
CELL = f'%%dgen --force\n{STAGE} --prompts "{{{{ text | prompt }}}}"'
TIMES = re.compile(r"[\d.]+ steps/s|[\d.]+ (?:ms|s|min)\b")
BOTH = ["image/png", "text/html", "text/plain"]


def notebook() -> nbformat.NotebookNode:
    cells = ["%load_ext jupyter_latents\nimport torch; torch.set_num_threads(1)", "text = 'cat'", CELL, CELL, "base"]
    made = new_notebook(cells=[new_code_cell(text, id=f"c{number}") for number, text in enumerate(cells)])
    made.cells[1].metadata.tags = ["parameters"]
    made.cells.insert(1, new_markdown_cell("# Stages", id="words"))
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return made


def bundles(made: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """What the cells show, in their order."""
    return [output.data for cell in made.cells for output in cell.get("outputs", []) if "data" in output]


def untimed(bundle: dict[str, Any]) -> str:
    return TIMES.sub("TIME", json.dumps(bundle, sort_keys=True, ensure_ascii=False))


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory, warm: object) -> nbformat.NotebookNode:
    made = notebook()
    place = {"metadata": {"path": str(tmp_path_factory.mktemp("programs"))}}
    NotebookClient(made, timeout=120, kernel_name=KERNEL, resources=place).execute()
    return made


def test_a_program_gets_the_lasting_output_and_the_same_one_each_time(executed: nbformat.NotebookNode) -> None:
    first, again, shown = bundles(executed)
    assert sorted(first) == sorted(shown) == BOTH
    assert "TIME" in untimed(first)
    assert untimed(first) == untimed(again)
    assert not executed.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state")


@pytest.mark.parametrize("exporter", [HTMLExporter, SlidesExporter])
def test_a_page_made_of_a_notebook_can_be_scrubbed(executed: nbformat.NotebookNode, exporter: Any) -> None:
    page, _ = exporter().from_notebook_node(executed)
    assert page.count('class="jl-data"') == 2
    assert page.count("takeOver(root);") >= 2
    assert "widget-view" not in page


def test_markdown_made_of_a_notebook_holds_the_output(executed: nbformat.NotebookNode) -> None:
    text, rest = MarkdownExporter().from_notebook_node(executed)
    assert "jl-data" in text
    assert "widget-view" not in text
    images = MarkdownExporter()
    images.config.NbConvertBase.display_data_priority = ["image/png", "text/plain"]
    text, rest = type(images)(config=images.config).from_notebook_node(executed)
    assert len(rest["outputs"]) == 3, "a picture for each"


def terminal(command: list[str], folder: Path) -> pexpect.spawn:
    """A terminal's session in which a stage has run; what it wrote is in its log."""
    environment = {**os.environ, "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "IPYTHONDIR": str(folder)}
    child = pexpect.spawn(
        command[0], command[1:], encoding="utf-8", timeout=100, dimensions=(40, 140), env=environment, cwd=str(folder)
    )
    child.logfile_read = (folder / "log").open("w")
    lines = ["%load_ext jupyter_latents", f"%%dgen\r{STAGE} --prompts 'a lighthouse'\r\r", "base"]
    for number, line in enumerate(lines, 1):
        child.expect(re.compile(rf"In .{{0,40}}?\[.{{0,40}}?{number}.{{0,40}}?\]"))
        child.send(f"{line}\r")
        if number == 2:
            child.expect("noise: clean, step 30 of 30")
    child.expect("Latents")
    child.expect(re.compile(r"In .{0,40}?\[.{0,40}?4.{0,40}?\]"))
    child.send("exit\r")
    child.expect(pexpect.EOF)
    child.logfile_read.close()
    return child


def test_a_terminal_shows_progress_and_facts(tmp_path: Path) -> None:
    terminal([sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor"], tmp_path)
    text = (tmp_path / "log").read_text()
    assert "30 of 30" in text
    assert "base |█" in text


def need(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")


@pytest.mark.slow
def test_jupyter_console_shows_facts(tmp_path: Path) -> None:
    need("jupyter_console")
    terminal([sys.executable, "-m", "jupyter_console"], tmp_path)


QT = """
import sys
from qtpy import QtWidgets, QtCore
from qtconsole.rich_jupyter_widget import RichJupyterWidget
from qtconsole.manager import QtKernelManager
app = QtWidgets.QApplication([])
manager = QtKernelManager(kernel_name="python3"); manager.start_kernel()
client = manager.client(); client.start_channels()
widget = RichJupyterWidget(); widget.kernel_manager, widget.kernel_client = manager, client
cells = sys.argv[1:]
def go(*_):
    if cells: widget.execute(cells.pop(0))
    else: QtCore.QTimer.singleShot(2000, app.quit)
widget.executed.connect(go)
QtCore.QTimer.singleShot(3000, go)
QtCore.QTimer.singleShot(90000, app.quit)
app.exec_()
html = widget._control.document().toHtml()
print(widget._control.toPlainText()); print("images", html.count("<img"))
client.stop_channels(); manager.shutdown_kernel(now=True)
"""


@pytest.mark.slow
def test_qtconsole_shows_facts_and_picture(tmp_path: Path) -> None:
    need("qtconsole")
    need("PyQt5")
    cells = ["%load_ext jupyter_latents", f"%%dgen\n{STAGE} --prompts 'a lighthouse'", "base"]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_API": "pyqt5"}
    told = subprocess.run(
        [sys.executable, "-c", QT, *cells], check=True, capture_output=True, text=True, env=environment, timeout=180
    ).stdout
    assert "noise: clean, step 30 of 30" in told
    assert "images 2" in told


@pytest.mark.slow
def test_papermill_hands_its_parameters_to_templates(tmp_path: Path) -> None:
    need("papermill")
    nbformat.write(notebook(), tmp_path / "in.ipynb")
    text, made = 'a lighthouse; night, it\'s "grey"', []
    for name in ("one", "other"):
        command = [sys.executable, "-m", "papermill", "in.ipynb", f"{name}.ipynb", "-p", "text", text, "--cwd", "."]
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
        made.append(nbformat.read(tmp_path / f"{name}.ipynb", as_version=4))
    one, other = map(bundles, made)
    assert [*map(untimed, one)] == [*map(untimed, other)]
    assert f"prompt: {text}\n" in one[0]["text/plain"]
    assert "negative prompt" not in one[0]["text/plain"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["py:percent", "py:light", "md", "Rmd"])
def test_jupytext_brings_cells_back_as_they_were(form: str, tmp_path: Path) -> None:
    need("jupytext")
    import jupytext

    back = jupytext.reads(jupytext.writes(notebook(), fmt=form), fmt=form)
    assert [cell.source for cell in back.cells] == [cell.source for cell in notebook().cells]


MARIMO = """
import marimo
app = marimo.App()

@app.cell
def _():
    import jupyter_latents as jl
    base = jl.run("demo/scenes --prompts cat --seeds 1 --inference-steps 4 --output-size 64")
    base
    return base, jl

@app.cell
def _(jl):
    jl.run("demo/scenes --prompts cat --seeds 1 2 --inference-steps 4 --output-size 64")
    return

@app.cell
def _(base):
    base.view()
    return

@app.cell
def _(jl):
    started = jl.start("demo/scenes --prompts 'a red barn' --seeds 1 --inference-steps 4 --output-size 64")
    started.wait()
    started
    return

@app.cell
def _(jl):
    jl.panel()
    return
"""


@pytest.mark.slow
def test_marimo_shows_latents(tmp_path: Path) -> None:
    need("marimo")
    (tmp_path / "cells.py").write_text(MARIMO)
    command = [sys.executable, "-m", "marimo", "-y", "export", "html", "cells.py", "-o", "cells.html"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    page = (tmp_path / "cells.html").read_text()
    assert page.count("data:image/") >= 4
    assert "a red barn" in page
    assert "The panel is made of ipywidgets, which marimo does not show" in page
    assert "Latents(" not in page, "pictures in the place of text"
