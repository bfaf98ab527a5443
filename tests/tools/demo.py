"""Executes a notebook in a folder of its own and leaves there the notebook, its HTML and what its cells wrote.

Usage: ``python tests/tools/demo.py NOTEBOOK FOLDER``. The folder is emptied first.
"""

import shutil
import sys
import time
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

CELL_SECONDS = 600
# nbconvert's page without the scripts that it would fetch: they serve formulas and diagrams, which are not there.
PAGE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
"""


def execute(source: Path, folder: Path) -> nbformat.NotebookNode:
    """Runs `source` with `folder` as working directory; the executed notebook is written even on errors."""
    notebook = nbformat.read(source, as_version=4)
    codes = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]

    def say(cell: nbformat.NotebookNode, cell_index: int) -> None:
        first_line = cell.source.strip().partition("\n")[0]
        print(f"  cell {codes.index(cell_index) + 1} of {len(codes)}: {first_line}", flush=True)

    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=say,
    )
    try:
        client.execute()
    finally:
        nbformat.write(notebook, folder / source.name)
    return notebook


def write_html(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Writes a page that needs no network: pictures are inside, and no script is fetched."""
    exporter = HTMLExporter(
        embed_images=True, extra_loaders=[DictLoader({"offline.html.j2": PAGE})], template_file="offline.html.j2"
    )
    body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
    path.write_text(body, encoding="utf-8")


def main() -> int:
    source, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"Running {source.name} ...", flush=True)
    started = time.perf_counter()
    try:
        notebook = execute(source, folder)
    except CellExecutionError as error:
        print(f"\n{error}\nThe notebook as far as it ran: {folder / source.name}", file=sys.stderr)
        return 1
    write_html(notebook, (folder / source.name).with_suffix(".html"))
    print(f"Done in {time.perf_counter() - started:.0f} s. In {folder}:")
    for path in sorted(file for file in folder.rglob("*") if file.is_file() and ".ipynb_checkpoints" not in file.parts):
        print(f"  {path}  ({path.stat().st_size / 1000:,.0f} kB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
