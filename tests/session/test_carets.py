"""What a plan refuses is refused for its own reason, with the caret under what is to blame."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.session.conftest import Desk

SHORT = "--prompts cat --inference-steps 2 --seeds 1"


@pytest.mark.parametrize(
    ("options", "message", "under"),
    [
        ("--output-size 64 --batch-size 100000000", "of memory", "100000000"),
        ("--output-size 800000x800000 --batch-size 2", "of memory", "800000x800000"),
        ("--image-seeds photo;frame-start=1", "frame-start in --image-seeds is read but", "photo;frame-start=1"),
        ("--image-seeds photo;floyd=photo", "floyd in --image-seeds is read but", "photo;floyd=photo"),
        ("--image-encoder x", "--image-encoder is for the images of --ip-adapters", "x"),
        ("--quantizer sdnq;type=int4", "--quantizer sdnq is not known here; use bnb;bits=4", "sdnq;type=int4"),
        ("--quantizer bnb;bits4-quant-type=nonsense", "use fp4 or nf4", "bnb;bits4-quant-type=nonsense"),
        ("--image-seeds ../nothing.png", "no file ../nothing.png", "../nothing.png"),
    ],
)
def test_the_plan_refuses_and_points(desk: Desk, options: str, message: str, under: str) -> None:
    desk.session.names["photo"] = Image.new("RGB", (64, 64))
    (stage,) = desk.plan(f"<sd15> {SHORT} {options}").stages
    assert message in stage.refused
    assert stage.error is not None
    place = stage.error.place
    assert place is not None
    assert place.text[place.column - 1 : place.column - 1 + place.length] == under


def test_a_size_that_is_no_multiple_is_told(desk: Desk) -> None:
    desk.session.names["photo"] = Image.new("RGB", (64, 64))
    (stage,) = desk.plan(f"<sd15> {SHORT} --image-seeds photo;14").stages
    assert any("size 14x14 is rounded to 8x8" in note for note in stage.notes)
    (stage,) = desk.plan(f"<sd15> {SHORT} --image-seeds photo;align=24").stages
    assert any("48x48" in note for note in stage.notes)
