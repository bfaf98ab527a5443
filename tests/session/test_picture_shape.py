"""A picture keeps its shape beside a stage's size, as in dgenerate: the width is the size's."""

from __future__ import annotations

import pytest
import torch

from tests.engine.cases import mask, picture
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

RUN = "--prompts cat --inference-steps 4 --guidance-scales 1 --seeds 3"


@pytest.fixture
def wide(desk: Desk) -> Desk:
    desk.session.names.update(wide=picture(64).resize((96, 52)), hole=mask(64).resize((96, 52)), square=picture(64))
    return desk


def _size(desk: Desk, options: str) -> tuple[int, int]:
    """(width, height) that a plan foresees and its run makes."""
    (planned,) = desk.plan(f"<sd15> {RUN} {options}").stages
    assert planned.outline is not None, planned.refused
    made = desk.run(f"<sd15> {RUN} {options} --into made")
    assert made.results[0].latents.shape == planned.outline.shape
    across, down = planned.outline.space.size_of(planned.outline.shape)
    return across, down


@pytest.mark.parametrize(
    ("options", "right"),
    [
        ("--image-seeds wide --output-size 64", (64, 32)),  # 34.67 is 34, of which 32 is the multiple of 8
        ("--image-seeds 'wide;mask=hole' --output-size 64", (64, 32)),
        ("--image-seeds wide --output-size 64x48", (64, 32)),
        ("--image-seeds square --output-size 32x96", (32, 32)),
        ("--image-seeds wide --output-size 64 --no-aspect", (64, 64)),
        ("--image-seeds 'wide;aspect=false' --output-size 64", (64, 64)),
        ("--image-seeds 'wide;aspect=true' --output-size 64 --no-aspect", (64, 32)),
        ("--image-seeds 'wide;resize=48x48;aspect=false' --output-size 64", (64, 64)),
        ("--image-seeds 'wide;resize=44'", (40, 16)),  # 23.83 is 23
    ],
)
def test_a_picture_keeps_its_shape(wide: Desk, options: str, right: tuple[int, int]) -> None:
    assert _size(wide, options) == right


def test_it_is_told_and_what_goes_in_is_the_resized_picture(wide: Desk) -> None:
    wide.run(f"<sd15> {RUN} --image-seeds wide --output-size 64 --into ours")
    assert any(
        "size 64x64 becomes 64x32: the picture keeps its shape; aspect=false in" in line for line in wide.notes.lines
    )
    wide.session.names["small"] = wide["wide"].resize((64, 32))
    wide.run(f"<sd15> {RUN} --image-seeds small --into theirs")
    assert torch.equal(wide["ours"].tensor, wide["theirs"].tensor)


def test_the_same_size_beside_the_latents_of_such_a_stage_fits(wide: Desk) -> None:
    seed = "--image-seeds 'wide;latents=base' --output-size 64"
    wide.run(f"<sd15> {RUN} --image-seeds wide --output-size 64 --denoising-end 0.5 --into base")
    assert wide.run(f"<sd15> {RUN} {seed} --denoising-start 0.5 --into end").results[0].latents.shape[2:] == (4, 8)
    (planned,) = wide.plan(f"<sd15> {RUN} --image-seeds 'latents: base' --output-size 64 --denoising-start 0.5").stages
    assert "does not fit" in planned.refused
