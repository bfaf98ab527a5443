"""A secret of the environment is in no byte of a notebook that was executed and saved, nor of any file it wrote."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from tests.warm import KERNEL

pytestmark = pytest.mark.kernel

SECRET = "hf_s3cret-v4lue"
FORMS = (SECRET, SECRET[::-1], SECRET.upper(), SECRET[3:9], SECRET.replace("-", "+"))
CELLS = r"""%load_ext jupyter_latents
# ---
%%dgen --store store
\print token $TOKEN {{ env.TOKEN }}
demo/scenes --prompts "a $TOKEN; {{ env.TOKEN ~ 1 }}" SHORT --auth-token $TOKEN
--output-path out --denoising-end 0.5 --image-format safetensors --into base
# ---
base
# ---
%%dgen --dry-run
demo/paper --prompts "$TOKEN" SHORT --image-seeds "latents: base" --denoising-start 0.5
# ---
%%dgen
demo/paper --prompts "$TOKEN" SHORT --image-seeds "latents: base" --denoising-start 0.5
--output-path out --image-format png --into final
# ---
%%dgen
demo/scenes SHORT --image-seeds $TOKEN.png
# ---
%%dgen
no/such-$TOKEN SHORT
# ---
%%dgen
\setp x int(env.TOKEN)
# ---
%%dgen --panel
demo/scenes --prompts "$TOKEN" SHORT --auth-token $TOKEN
# ---
%latents list
# ---
get_ipython().run_cell_magic("dgen", "--background", "demo/scenes --prompts $TOKEN SHORT --into again").wait()
# ---
final.view()
# ---
%%dgen
\set k $TOKEN
\print {{ k[3:] }} {{ k | upper }}
# ---
%%dgen --dry-run
\setp k '$TOKEN'[::-1]
\print {{ k }}
# ---
%%dgen --panel
demo/scenes --prompts "{{ env.TOKEN | replace('-', '+') }}" SHORT""".replace(
    "SHORT", "--inference-steps 2 --output-size 64 --seeds 1"
).split("\n# ---\n")


def test_no_byte_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: object) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    notebook = new_notebook(cells=[new_code_cell(text) for text in CELLS])
    client = NotebookClient(
        notebook, timeout=300, kernel_name=KERNEL, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    nbformat.write(notebook, tmp_path / "saved.ipynb")
    failed = [index for index, cell in enumerate(notebook.cells) if any(o.output_type == "error" for o in cell.outputs)]
    assert failed == [5, 6, 7, 12, 13]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} >= {".ipynb", ".safetensors", ".png"}
    assert len(files) > 4
    for file in files:
        assert not [form for form in FORMS if form.encode() in file.read_bytes()], file.name
        assert SECRET not in file.name
    outputs = str([cell.outputs for cell in notebook.cells])
    assert "token $TOKEN $TOKEN" in outputs
    assert all("$TOKEN" in str(notebook.cells[index].outputs) for index in (2, 5, 6, 12, 13))
