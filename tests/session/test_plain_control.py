"""A picture alone beside ControlNets is the control image of a run from noise, as in dgenerate."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from jupyter_latents.errors import ScriptError
from jupyter_latents.syntax import format_seed, parse, parse_seed
from tests import tiny as tinies
from tests.engine.cases import picture
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

STAGE = "<sd15> --prompts cat --inference-steps 3 --guidance-scales 1 --seeds 3"


@pytest.fixture
def nets(tmp_path: Path, desk: Desk) -> list[str]:
    for seed in range(2):
        tinies.controlnet(seed).save_pretrained(tmp_path / f"net{seed}")
    picture(96).resize((96, 64)).save(tmp_path / "edges.png")
    desk.session.names["other"] = picture(32)
    return [str(tmp_path / f"net{seed}") for seed in range(2)]


def test_one_image_steers_and_gives_the_size(desk: Desk, nets: list[str], tmp_path: Path) -> None:
    edges = tmp_path / "edges.png"
    (planned,) = desk.plan(f"{STAGE} --control-nets {nets[0]} --image-seeds {edges}").stages
    assert planned.outline is not None
    assert planned.outline.space.size_of(planned.outline.shape) == (96, 64)
    desk.run(f"{STAGE} --control-nets {nets[0]} --image-seeds {edges} --into ours")
    assert [line for line in desk.notes.lines if "edges.png is the control image, and no picture goes in" in line]
    written = f"{STAGE} --control-nets {nets[0]} --output-size 96x64 --image-seeds 'control: {edges}' --into written"
    desk.run(written)
    assert torch.equal(desk["ours"].tensor, desk["written"].tensor)


def test_two_networks_take_two_and_a_size_is_theirs(desk: Desk, nets: list[str], tmp_path: Path) -> None:
    both = " ".join(nets)
    desk.run(f"{STAGE} --control-nets {both} --image-seeds '{tmp_path}/edges.png, other;64x64' --into ours")
    assert desk["ours"].shape[2:] == (5, 8)  # the aspect is kept, as for other pictures
    with pytest.raises(ScriptError, match="1 control images for 2 ControlNets"):
        desk.run(f"{STAGE} --control-nets {both} --image-seeds other")


def test_what_says_more_than_one_picture_means_what_it_says() -> None:
    for text in ("a.png;control=b.png", "images: a.png, b.png", "a.png;mask=m.png", "latents: z;control=c.png"):
        assert parse_seed(text, steered=True) == parse_seed(text)
    for text in ("a.png", "a.png, b.png", "a.png;adapter=c.png", "a.png;resize=64x64"):
        seed = parse_seed(text, steered=True)
        assert seed.plain
        assert parse_seed(format_seed(seed), steered=True) == seed
    (made,) = parse("m --control-nets n --image-seeds a.png")[0].stages()
    assert '--image-seeds "a.png"' in str(made)
    with pytest.raises(ScriptError, match="images: a, b"):
        parse_seed("a.png, b.png")
