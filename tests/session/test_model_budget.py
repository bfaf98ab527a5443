"""The budget for models holds from run to run: what no run uses any more may leave, whenever garbage is collected."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from jupyter_latents.engine import local_engine
from jupyter_latents.session import Session
from jupyter_latents.settings import Settings
from tests.session.conftest import Desk

FIRST = "<sd15> --prompts cat --seeds 3 --inference-steps 4 --output-size 64 --denoising-end 0.5 --into base"
SECOND = "<sd2> --prompts dog --inference-steps 4 --image-seeds 'latents: base' --into final"
PHOTO = "<sd15> --prompts cat --seeds 3 --inference-steps 4 --image-seeds final --image-seed-strengths 0.5"


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held(desk: Desk) -> int:
    return sum(row.size for row in desk.session.holdings())


def test_a_run_that_has_ended_holds_no_model(desk: Desk, uncollected: None) -> None:
    for script in (FIRST, SECOND, PHOTO):
        desk.run(script)
        assert not [row.what for row in desk.session.holdings() if row.busy], script


@pytest.mark.parametrize("family", ["sdxl", "sd3", "flux", "flux2"])
def test_no_pipeline_holds_its_model_when_it_has_run(desk: Desk, family: str, uncollected: None) -> None:
    desk.run(f"<{family}> --prompts cat --seeds 3 --inference-steps 2 --output-size 64")
    assert not [row.what for row in desk.session.holdings() if row.busy]


def test_two_models_take_turns_in_a_budget_of_one(desk: Desk, uncollected: None) -> None:
    sizes = []
    for script in (FIRST, SECOND.replace("--image-seeds 'latents: base'", "--seeds 1 --output-size 64")):
        alone = Desk(desk.models, Session(engine=local_engine(Settings())))
        alone.run(script)
        sizes.append(held(alone))
    tight = Desk(desk.models, Session(engine=local_engine(Settings(model_memory=max(sizes)))))
    for script in (f"{FIRST}\n\n{SECOND}", FIRST.replace("--seeds 3", "--seeds 4"), PHOTO):
        tight.run(script)
        assert held(tight) <= max(sizes)
