"""Image processors change what goes into a stage: the same as the picture changed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import ImageOps

from jupyter_latents.addresses import read_address
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.processing import processed
from tests import tiny as tinies
from tests.engine.cases import mask, picture
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

RUN = "--prompts cat --inference-steps 4 --guidance-scales 1 --seeds 3"
CANNY = "canny;lower=20;upper=60"


@pytest.fixture
def nets(tmp_path: Path, desk: Desk) -> str:
    for seed in range(2):
        tinies.controlnet(seed).save_pretrained(tmp_path / f"net{seed}")
    names = desk.session.names
    names["photo"], names["hole"] = picture(64), mask(64)
    names["wide"] = picture(96).resize((96, 64))
    names["edges"] = processed(names["wide"].resize((64, 40)), (read_address(CANNY),))
    names["mirrored"] = ImageOps.mirror(names["photo"])
    return f"{tmp_path}/net0 {tmp_path}/net1"


def same(desk: Desk, ours: str, theirs: str) -> None:
    """Two scripts make the same, as planned."""
    (planned,) = desk.plan(f"<sd15> {RUN} {ours}").stages
    assert planned.outline is not None, planned.refused
    desk.run(f"<sd15> {RUN} {ours} --into ours")
    desk.run(f"<sd15> {RUN} {theirs} --into theirs")
    assert desk["ours"].shape == planned.outline.shape
    assert torch.equal(desk["ours"].tensor, desk["theirs"].tensor)


def test_canny_sees_the_control_image_at_the_size_of_the_picture(desk: Desk, nets: str) -> None:
    net = nets.split(maxsplit=1)[0]
    same(
        desk,
        f"--control-nets {net} --image-seeds wide --output-size 64 --control-image-processors '{CANNY}'",
        f"--control-nets {net} --image-seeds edges",
    )
    turned = ImageOps.mirror(desk.session.names["wide"].resize((64, 64)))
    desk.session.names["turned"] = processed(turned, (read_address(CANNY),))
    same(
        desk,
        f"--control-nets {net} --image-seeds 'photo;control=wide' --control-image-processors mirror '{CANNY}'",
        f"--control-nets {net} --image-seeds 'photo;control=turned'",
    )


def test_each_control_image_has_a_chain_of_its_own(desk: Desk, nets: str) -> None:
    same(
        desk,
        f"--control-nets {nets} --image-seeds 'photo, photo' --control-image-processors + mirror",
        f"--control-nets {nets} --image-seeds 'photo, mirrored'",
    )
    same(
        desk,
        f"--control-nets {nets} --image-seeds 'photo, photo' --control-image-processors mirror +",
        f"--control-nets {nets} --image-seeds 'mirrored, photo'",
    )


def test_pictures_and_masks_are_processed_too(desk: Desk, nets: str) -> None:
    desk.session.names["whole"] = ImageOps.invert(desk.session.names["hole"])
    same(
        desk,
        "--image-seeds 'photo;mask=hole' --seed-image-processors mirror --mask-image-processors invert",
        "--image-seeds 'mirrored;mask=whole'",
    )
    same(desk, "--image-seeds 'images: photo, photo' --seed-image-processors + mirror",
         "--image-seeds 'images: photo, mirrored'")  # fmt: skip


def test_a_processor_that_changes_the_size_changes_the_result(desk: Desk, nets: str) -> None:
    names = desk.session.names
    names["part"] = names["photo"].crop((0, 0, 48, 32))
    same(desk, "--image-seeds photo --seed-image-processors 'crop;box=0x0x48x32'", "--image-seeds part")
    names["little"] = names["wide"].crop((0, 0, 64, 64)).resize((32, 32))
    same(
        desk,
        "--image-seeds 'wide;resize=32' --seed-image-processors 'crop;box=0x0x64x64;pre-resize=true'",
        "--image-seeds little",
    )
    assert any("the picture is 48x32 after its processors" in note for note in desk.plan(
        f"<sd15> {RUN} --image-seeds photo --seed-image-processors 'crop;box=0x0x48x32'").stages[0].notes)  # fmt: skip


def test_the_law_holds_and_the_cell_says_it(desk: Desk, nets: str) -> None:
    net = nets.split(maxsplit=1)[0]
    stage = f"<sd15> {RUN} --control-nets {net} --image-seeds 'photo;control=wide' --control-image-processors '{CANNY}'"
    desk.run(f"{stage} --into whole")
    desk.run(f"{stage} --denoising-end 0.5 --into part")
    steered = stage.replace("'photo;", "'photo;latents=part;")
    desk.run(f"{steered} --denoising-start 0.5 --into ours")
    assert torch.equal(desk["ours"].tensor, desk["whole"].tensor)
    again = desk.run(f"{stage} --into again")
    assert again.model_evaluations == 0
    other = desk.run(f"{stage.replace('lower=20', 'lower=90').replace('upper=60', 'upper=91')} --into other")
    assert other.model_evaluations > 0
    assert f'--control-image-processors "{CANNY}"' in desk["whole"].provenance.cell


@pytest.mark.kept_models(False)
@pytest.mark.parametrize(
    ("options", "says", "word"),
    [
        ("--image-seeds photo --seed-image-processors openpose", "a network of its own", "openpose"),
        ("--image-seeds photo --seed-image-processors 'canny;lover=3'", "did you mean lower?", "'canny;lover=3'"),
        (
            "--image-seeds photo --seed-image-processors mirror + flip",
            "chains for 2 pictures, and there is 1",
            "--seed",
        ),
        ("--image-seeds photo --mask-image-processors invert", "chains for 1 masks, and there are none", "--mask"),
        ("--control-image-processors canny", "chains for 1 control images, and there are none", "--control"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(desk: Desk, nets: str, options: str, says: str, word: str) -> None:
    with pytest.raises(JupyterLatentsError) as refused:
        desk.run(f"<sd15> {RUN} {options}")
    assert says in str(refused.value)
    assert word in str(refused.value)
    assert "^" in str(refused.value)
    assert desk.session.engine.cache.loads == 0


def test_what_changes_nothing_is_told(desk: Desk, nets: str) -> None:
    desk.run(f"<sd15> {RUN} --image-seeds photo --seed-image-processors 'mirror;output-file=a/b.png;device=cpu'")
    assert any("output-file= and device= changes nothing" in line for line in desk.notes.lines)
    assert not Path("a").exists()
