"""Every notebook that ships runs from first cell to last, and shows what it says it shows."""

import base64
import io
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from tests.tiny import hub_cache
from tests.warm import KERNEL

REPOSITORY = Path(__file__).parent.parent
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
QUICKSTART = REPOSITORY / "notebooks" / "01-quickstart.ipynb"
EXPERTS = REPOSITORY / "notebooks" / "03-two-experts.ipynb"
STAND_IN = {"Wan-AI/Wan2.2-T2V-A14B-Diffusers": "wan22"}
"""Published names in the notebooks, and the tiny models that stand for them here."""
CELL_SECONDS = 300

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory, warm: object) -> "Executed":
    return Executed(tmp_path_factory)


class Executed:
    """Runs each notebook once, in an empty folder of its own, however many tests look at it."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._done: dict[Path, tuple[nbformat.NotebookNode, Path]] = {}

    def _hub(self) -> Path:
        return hub_cache(self._factory.mktemp("hub"), STAND_IN)

    def __call__(self, path: Path) -> tuple[nbformat.NotebookNode, Path]:
        """The notebook with its outputs, and the folder it ran in; errors are outputs like others."""
        if path not in self._done:
            notebook = nbformat.read(path, as_version=4)
            folder = self._factory.mktemp(path.stem)
            more = {"HF_HUB_CACHE": str(self._hub())} if path == EXPERTS else {}
            client = NotebookClient(
                notebook,
                timeout=CELL_SECONDS,
                kernel_name="python3" if path == QUICKSTART else KERNEL,
                allow_errors=True,
                resources={"metadata": {"path": str(folder)}},
            )
            client.execute(env={**os.environ, **more})
            self._done[path] = notebook, folder
        return self._done[path]


def by_id(notebook: nbformat.NotebookNode, cell_id: str) -> nbformat.NotebookNode:
    return next(cell for cell in notebook.cells if cell.id == cell_id)


def shown(cell: nbformat.NotebookNode, mime: str) -> list[str]:
    return [output.data[mime] for output in cell.outputs if mime in output.get("data", {})]


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks() -> None:
    assert QUICKSTART in NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path: Path) -> None:
    cells = code_cells(nbformat.read(path, as_version=4))
    assert [cell.id for cell in cells if cell.outputs or cell.execution_count is not None] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_without_errors(path: Path, executed: Executed) -> None:
    notebook, _ = executed(path)
    errors = [
        (cell.id, o.ename, o.evalue) for cell in code_cells(notebook) for o in cell.outputs if o.output_type == "error"
    ]
    assert errors == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_shows_no_library_chatter(path: Path, executed: Executed) -> None:
    notebook, _ = executed(path)
    assert code_cells(notebook)[0].execution_count == 1
    stderr = [
        (cell.id, output.text)
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert stderr == []


def test_quickstart_shows_both_pictures_of_its_heart(executed: Executed) -> None:
    heart = by_id(executed(QUICKSTART)[0], "heart")
    assert len(shown(heart, "image/png")) >= 1
    html = " ".join(shown(heart, "text/html"))
    text = " ".join(shown(heart, "text/plain"))
    assert html
    assert "base" in text
    assert "final" in text


@pytest.mark.parametrize("cell_id", ["base", "final"])
def test_quickstart_latents_show_as_picture_and_text(cell_id: str, executed: Executed) -> None:
    cell = by_id(executed(QUICKSTART)[0], cell_id)
    assert shown(cell, "image/png")
    assert shown(cell, "text/html")
    assert shown(cell, "text/plain")


@pytest.mark.parametrize("fact", ["demo/scenes", "24 of 30", "σ", "(1, 4, 16, 16)", "7"])
def test_quickstart_base_states_its_facts(fact: str, executed: Executed) -> None:
    (text,) = shown(by_id(executed(QUICKSTART)[0], "base"), "text/plain")
    assert fact in text


@pytest.mark.parametrize("cell_id", ["keep", "files-equal"])
def test_quickstart_files_hold_equal_latents(cell_id: str, executed: Executed) -> None:
    assert shown(by_id(executed(QUICKSTART)[0], cell_id), "text/plain") == ["True"]


@pytest.mark.parametrize("name", ["base.safetensors", "final.safetensors", "final.png", "redrawn.png"])
def test_quickstart_writes_its_files(name: str, executed: Executed) -> None:
    assert (executed(QUICKSTART)[1] / name).stat().st_size > 1000


def test_quickstart_writes_the_first_stage_to_the_output_path(executed: Executed) -> None:
    assert list((executed(QUICKSTART)[1] / "out").glob("*.safetensors"))


def test_two_experts_make_the_whole_run_s_clip(executed: Executed) -> None:
    notebook, _ = executed(EXPERTS)
    assert shown(by_id(notebook, "equal"), "text/plain") == ["True"]
    assert shown(by_id(notebook, "apart"), "text/plain") == ["True"]
    assert shown(by_id(notebook, "between"), "text/plain")[0].startswith("(9, ")


@pytest.mark.parametrize("cell_id", ["heart", "clip", "whole"])
def test_clips_play_in_a_saved_notebook_of_little_size(cell_id: str, executed: Executed) -> None:
    """As animated pictures in the page, which need neither kernel nor scripts; a still for those without pages."""
    cell = by_id(executed(EXPERTS)[0], cell_id)
    (html,) = shown(cell, "text/html")
    films = [Image.open(io.BytesIO(base64.b64decode(part.partition('"')[0]))) for part in html.split(FILM)[1:]]
    assert 9 in [film.n_frames for film in films]
    assert shown(cell, "image/png")
    assert sum(len(part) for output in cell.outputs for part in output.data.values()) <= 300_000


FILM = "data:image/webp;base64,"
