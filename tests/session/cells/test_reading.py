"""Cells from other programs' pictures: foreign text stays text, and the cell runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jupyter_latents import cell_from
from jupyter_latents.errors import NameNotFoundError, SettingError
from jupyter_latents.pictures.metadata.parameters import Parameters, write_parameters
from jupyter_latents.pictures.metadata.programs import recipe_of
from jupyter_latents.pictures.metadata.recipe import Recipe, StagePart
from jupyter_latents.pictures.metadata.texts import PARAMETERS, picture_bytes
from jupyter_latents.session.cells.text import cell_text
from jupyter_latents.stage import ModelSource, Prompt, Stage
from jupyter_latents.syntax.script import parse
from tests.session.conftest import Desk

SAMPLES = Path(__file__).parents[4] / "shared" / "pictures"
HOSTILE = [
    "{{ env.HOME }}", "{% for a in [1] %}x{% endfor %}", "{# x #}", "$HOME ${HOME} %HOME%", "\\$HOME", "\\set x y",
    "a\n\\print x\n%%bash\nrm -rf x", "a\r\n# b", "quote \" ' \\", "\\", "a\u202eb\u2066c\u200f\x1b[31m\x07",
    "{\u202e{ x }}",
    "a; b", "#", "{", "--into x", "!END", "[[1]]", "{{ '{' }}", "<b>x</b>", "\u2028x\u2029", "a\x0bb\x0cc\x85d",
]  # fmt: skip


def read(cell: str) -> list[Stage]:
    body = cell.partition("\n")[2]
    return [stage for invocation in parse(body, first_line=2) for stage in invocation.stages()]


def told(prompt: str, negative: str, model: str = "dream") -> str:
    values = {"Steps": "20", "Sampler": "Euler", "CFG scale": "7", "Seed": "1", "Size": "64x64", "Model": model}
    return write_parameters(Parameters(prompt, negative, values))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    prompt = f"a {text} b"
    file.write_bytes(picture_bytes(Image.new("RGB", (4, 4)), "PNG", {PARAMETERS: told(prompt, text, text)}))
    cell = cell_from(file)
    (stage,) = read(cell)
    assert stage.prompt.positive == prompt
    assert stage.prompt.negative == text.strip().replace("\r\n", "\n")  # as A1111 reads lines
    unseen = re.compile("[\u202a-\u202e\u2066-\u2069\u200f\x00-\x08\x0b-\x1f\x7f-\x9f]")
    assert not unseen.search(cell)
    for line in cell.split("\n")[1:]:
        assert line.startswith(("# ", "--", '"', "'")) or not line or line[0].isalnum() or line[0] in "{<[!"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(str.strip)


@settings(max_examples=150, deadline=None)
@given(TEXT, TEXT, TEXT.filter(bool), TEXT)
def test_whatever_stands_in_a_recipe_stands_in_its_cell(positive: str, negative: str, model: str, remark: str) -> None:
    stage = Stage(model=ModelSource(model), prompt=Prompt(positive, negative), seed=3)
    cell = cell_text(Recipe(remark, (StagePart(stage, (remark,)), StagePart(stage)), (remark,)))
    found = read(cell)
    assert [(one.model.name, one.prompt) for one in found] == [(model, Prompt(positive, negative))] * 2


def test_noisy_latents_pasted_in_mid_denoise_run_with_any_model(desk: Desk) -> None:
    path = SAMPLES / "comfyui-noisy-latents.png"
    if not path.exists():
        pytest.skip("the sample is not on this machine")
    cell = cell_from(path).replace("Anything-V3.0.ckpt\n--", "<sd15>\n--")
    cell = re.sub(r"--vae .*\n|--clip-skips 1\n", "", cell)
    sizes = {"1280x704": "160x88", "256x512": "32x64", "(376, 192)": "(48, 24)", "(936, 192)": "(120, 24)"}
    sizes |= {"(696, 192)": "(88, 24)", "feather=80": "feather=16", "(1920, 1088)": "(240, 136)"}
    for large, small in sizes.items():
        assert large in cell
        cell = cell.replace(large, small)
    run = desk.run(cell.partition("\n")[2].replace("--inference-steps 16", "--inference-steps 8"))
    assert len(run.results) == 6
    assert [result.latents.size for result in run.results[4:]] == [(160, 88), (240, 136)]
    assert [result.latents.is_clean for result in run.results] == [False] * 4 + [True] * 2
    assert desk["stage_58"].provenance.options["steps"] == "8"


@pytest.mark.parametrize("given_", [3, "", None])
def test_no_path_is_refused(given_: object) -> None:
    with pytest.raises(SettingError):
        cell_from(given_)  # type: ignore[arg-type]


def test_a_picture_of_nobody_is_told(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    with pytest.raises(NameNotFoundError, match=r"does not say how it was made.*Fooocus, A1111\..*latents\.save"):
        cell_from(tmp_path / "x.png")
    with pytest.raises(NameNotFoundError, match="no file"):
        cell_from(tmp_path / "y.png")


def test_comfyui_before_a1111_and_ours_before_both() -> None:
    graph = {"1": {"class_type": "KSampler", "inputs": {"seed": 1}}}
    texts = {"parameters": told("a", "b"), "prompt": json.dumps(graph)}
    assert recipe_of(texts, "it").program == "ComfyUI"


def test_the_magic_puts_the_cell_after_this_one(shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(picture_bytes(Image.new("RGB", (4, 4)), "PNG", {PARAMETERS: told("a", "b")}))
    put: list[str] = []
    monkeypatch.setattr(shell, "set_next_input", put.append)
    shell.run_cell(f"%dgen --from {file}").raise_error()
    assert put == [cell_from(file).rstrip("\n")]


CHILD = """
import sys
from pathlib import Path
from jupyter_latents import cell_from
from jupyter_latents.session import Session, Task
from jupyter_latents.engine import Silent
from jupyter_latents.syntax import Script
session = Session()
if sys.argv[2] != "-":
    session.keep_in(sys.argv[2])
run = session.start(Task(Script(cell_from(sys.argv[1]).partition("\\n")[2], 2)), Silent())
run.wait()
print(run.error or "", [r.evaluations for r in run.results], run.results[-1].latents.digest)
"""


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_another_process_makes_the_same(
    ending: str, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    desk.session.keep_in("store")
    short = "--inference-steps 3 --output-size 64"
    Image.effect_noise((64, 64), 60).convert("RGB").save("photo.png")
    run = desk.run(
        f"demo/scenes --prompts hill {short} --seeds 3 --image-seeds photo.png --denoising-end 0.7 --into base\n\n"
        f"demo/paper --prompts hill {short} --seeds 4 --image-seeds 'latents: base' --denoising-start 0.7 "
        f"--output-path out --image-format {ending}"
    )
    (file,) = Path("out").iterdir()
    for store, evaluations in (("store", [0, 0]), ("-", [result.evaluations for result in run.results])):
        command = [sys.executable, "-c", CHILD, str(file), store]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=os.environ)
        assert f"{evaluations} {run.results[-1].latents.digest}" in finished.stdout, finished.stderr
