"""Latents tell the cell that made them: the panel opened on them writes it, and it makes them again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from PIL import Image

from jupyter_latents.display.panel.model import PanelModel
from jupyter_latents.display.panel.variables import latents_of
from jupyter_latents.latents import Latents
from jupyter_latents.session import Session
from jupyter_latents.session.cells.provenance import cell_lines
from jupyter_latents.stage import Stage
from jupyter_latents.syntax import Environment, parse
from tests import tiny as tinies
from tests.session.conftest import Desk
from tests.syntax.test_compose import stages

pytestmark = pytest.mark.kept_models

CELL = "<sd15> --prompts 'a cat; dog' --seeds 3 --inference-steps 4 --output-size 64"
OPTIONS = [
    "",
    "--guidance-scales 1 --scheduler 'DDIMScheduler;clip-sample=false'",
    "--guidance-rescales 0.7 --clip-skips 1",
    "--denoising-end 0.5",
    "--batch-size 2",
    "--image-seeds photo --image-seed-strengths 0.6",
    "--image-seeds 'photo;mask=hole;resize=64;aspect=false'",
    "--image-seeds 'photo.png;latents=half' --denoising-start 0.5",
    "--image-seeds 'latents: half' --latents-processors 'scale;factor=1.01'",
    "--dtype float32 --device cpu --vae-tiling --vae-slicing",
    "--scheduler EulerDiscreteScheduler --sigmas 9,4,2,1",
    "--loras 'lora.safetensors;scale=0.5'",
    "--vae vae --control-nets net --image-seeds 'control: photo'",
    "--optimize 'taylorseer;interval=2'",
]


@pytest.fixture
def filled(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A session with pictures, latents and addons for `OPTIONS`."""
    monkeypatch.chdir(tmp_path)
    desk.session.names |= {"photo": Image.new("RGB", (72, 64), "teal"), "hole": Image.new("L", (72, 64), 255)}
    desk.session.names["photo"].save("photo.png")
    desk.run(f"{CELL} --denoising-end 0.5 --into half")
    tinies.lora(tmp_path / "lora.safetensors", seed=1)
    return desk


def panelled(desk: Desk, latents: Latents) -> str:
    """The text of a panel that is opened on latents."""
    model = PanelModel()
    model.form.into = "again"
    model.fill(latents, {n: one for n, one in latents_of(desk.session.names).items() if isinstance(one, Latents)})
    return model.text


def made_again(desk: Desk, latents: Latents) -> Latents:
    """What the panel's cell makes in a session that remembers nothing."""
    fresh = Desk(desk.models, Session(dict(desk.session.names)))
    fresh.run(panelled(desk, latents))
    return fresh["again"]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_panels_cell_makes_the_same_latents(filled: Desk, options: str) -> None:
    if "--vae" in options:
        tinies.build("sd2").vae.save_pretrained("vae")
        tinies.controlnet(seed=1).save_pretrained("net")
    filled.run(f"{CELL} {options} --into one")
    assert made_again(filled, filled["one"]).digest == filled["one"].digest


def test_a_step_on_the_way_is_made_by_the_cell_that_ends_there(filled: Desk) -> None:
    filled.run(f"{CELL} --guidance-rescales 0.7 --into one")
    for step in (1, 3):
        there = filled["one"].at(step=step)
        assert made_again(filled, there).digest == there.digest


def test_a_seed_that_was_drawn_stands_in_the_cell(filled: Desk) -> None:
    filled.run(f"{CELL.replace('--seeds 3', '')} --into one")
    assert f"--seeds {filled['one'].provenance.seed}" in panelled(filled, filled["one"])
    assert made_again(filled, filled["one"]).digest == filled["one"].digest


def test_each_of_several_has_its_own_cell(filled: Desk) -> None:
    filled.run(f"{CELL.replace('--seeds 3', '--seeds 3 4')} --guidance-scales 1 2 --into many")
    for one in filled["many"]:
        assert made_again(filled, one).digest == one.digest


def test_latents_go_on_from_their_parents_under_the_present_name(filled: Desk, tmp_path: Path) -> None:
    filled.run(f"{CELL} --image-seeds 'latents: half' --denoising-start 0.5 --into one")
    filled.session.names["renamed"] = filled.session.names.pop("half")
    assert '--image-seeds "latents: renamed"' in panelled(filled, filled["one"])
    filled["one"].save(tmp_path / "one.safetensors")
    loaded = Latents.load(tmp_path / "one.safetensors")
    assert loaded.provenance == filled["one"].provenance
    assert made_again(filled, loaded).digest == loaded.digest


def test_a_handed_over_object_without_a_name_is_left_out(filled: Desk) -> None:
    after = '--image-seeds "latents: {{ quote(last_images) }}" --denoising-start 0.5 --into one'
    filled.run(f"{CELL} --denoising-end 0.5\n\n<sd15> --prompts cat --inference-steps 4 {after}")
    assert "__latents" not in panelled(filled, filled["one"])


@pytest.mark.parametrize(
    "prompt",
    ["$WORD dog", "${WORD}s %WORD%", r"\$WORD 100%", "$5 {{ env.WORD }}", r"it's \"$WORD\" or \${WORD}", "$WORD"],
)
def test_names_of_the_environment_stay_names(filled: Desk, monkeypatch: pytest.MonkeyPatch, prompt: str) -> None:
    monkeypatch.setenv("WORD", "orchid")
    filled.run(f'<sd15> --prompts "{prompt}" --seeds 3 --inference-steps 1 --output-size 64 --into one')
    assert "orchid" not in panelled(filled, filled["one"])
    assert made_again(filled, filled["one"]).digest == filled["one"].digest
    monkeypatch.setenv("WORD", "walnut")
    changed = made_again(filled, filled["one"]).digest != filled["one"].digest
    assert changed == (r"\$WORD" not in prompt)


def test_a_token_stands_in_no_cell(filled: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hf_opensesame")
    filled.run(f"{CELL} --auth-token hf_sesame --into one\n\n{CELL} --auth-token $TOKEN --into two --force")
    assert "sesame" not in repr(filled["one"].facts()) + panelled(filled, filled["one"])
    assert "--auth-token" not in filled["one"].provenance.cell
    assert "--auth-token $TOKEN" in filled["two"].provenance.cell


@settings(max_examples=25, deadline=None)
@given(stages())
def test_a_cell_reads_back_as_its_stage(stage: Stage) -> None:
    check_cell(stage)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(stages())
def test_many_cells_read_back_as_their_stages(stage: Stage) -> None:
    check_cell(stage)


def check_cell(stage: Stage) -> None:
    text = "\n".join(cell_lines(stage).values())
    (one,) = parse(text, Environment(environ={"HOME": "home"}))
    model = PanelModel()
    model.apply(text)
    (other,) = parse(model.text, Environment(environ={"HOME": "home"}))
    assert one.stages() == other.stages() == (replace(stage, force=False),) or stage.model.auth_token


@pytest.mark.parametrize(
    "cell", ["", "\\set x 1", "{% for x in y %}\nm\n{% endfor %}", "a\n\nb", "--seeds", "m --sedes 1", '"']
)
def test_a_cell_that_is_none_is_not_shown(filled: Desk, cell: str) -> None:
    made = filled["half"].provenance
    other = Latents(torch.zeros(1, 4, 8, 8), provenance=type(made)("demo/scenes", prompt="a cat", seed=5, cell=cell))
    assert panelled(filled, other) == 'demo/scenes\n--prompts "a cat"\n--seeds 5\n--into again'


def test_an_item_of_a_batch_is_made_by_the_cell_of_the_batch(filled: Desk) -> None:
    filled.run(f"{CELL} --batch-size 3 --into three")
    item = filled["three"].split()[1]
    again = made_again(filled, item)
    assert torch.equal(again.tensor[1:2], item.tensor)
    bare = replace(item, provenance=replace(item.provenance, cell=""))
    assert "--batch-size 3" in panelled(filled, bare)
