"""One cell through four latent spaces; how each stage takes over is told before any weights load."""

from dataclasses import replace

import pytest
import torch

from jupyter_latents.engine.observer import Phase
from jupyter_latents.session import Task
from jupyter_latents.syntax import Script
from tests.session.conftest import Desk, Notes

CHAIN = """<sd15>
--prompts "a red cat" --seeds 3 --inference-steps 8 --output-size 64
--denoising-end 0.25
--into first

<sdxl>
--prompts "a red cat" --image-seeds "latents: first" --inference-steps 8
--denoising-end 0.5
--into second

<sd3>
--prompts "a red cat" --image-seeds "latents: second" --inference-steps 8
--denoising-end 0.75
--into third

<flux>
--prompts "a red cat" --image-seeds "latents: third" --inference-steps 8
--into last"""

CONTINUED = """<sd15>
--prompts "a red cat" --image-seeds "latents: first" --inference-steps 8 --denoising-start 0.25
--into rest"""


def test_one_cell_goes_through_four_spaces(desk: Desk) -> None:
    desk.run(CHAIN)
    names = desk.session.names
    channels = [names[name].shape[1] for name in ("first", "second", "third", "last")]
    assert channels == [4, 4, 16, 16]
    assert names["last"].is_clean
    assert desk.session.decode(names["last"])[0].size == (64, 64)
    sigmas = [names[name].noise.sigma for name in ("first", "second", "third")]
    assert sigmas == sorted(sigmas, reverse=True)


class Early(Notes):
    """Keeps what was said before anything loads."""

    def __init__(self) -> None:
        super().__init__()
        self.early: list[str] | None = None

    def phase(self, phase: Phase) -> None:
        if phase.name == "loading" and self.early is None:
            self.early = list(self.lines)


def told(desk: Desk, text: str) -> list[str]:
    observer = Early()
    run = desk.session.start(Task(Script(desk.text(text), 2)), observer)
    assert run.wait(120)
    assert run.error is None
    return observer.early or []


def test_verdicts_come_before_the_first_model_loads(desk: Desk) -> None:
    second, third, fourth = told(desk, CHAIN)
    assert second.startswith("stage 2")
    assert "stage 3" in third
    assert "bridged space" in third
    assert "stage 4" in fourth
    (only,) = told(desk, CONTINUED)
    assert only.startswith("stage 1")
    assert only.endswith("exact continuation")


@pytest.mark.parametrize("name", ["steps", "strength"])
@pytest.mark.parametrize("text", ["many", "", "-3", "1e30", "10" * 5000, "nan"])
def test_a_verdict_takes_no_number_on_trust(desk: Desk, name: str, text: str) -> None:
    """What a file says of its run may be anything."""
    desk.run("<sd15> --prompts cat --seeds 1 --inference-steps 4 --output-size 64 --denoising-end 0.5 --into base")
    base, model = desk["base"], str(desk.models("sd15"))
    options = {**base.provenance.options, name: text}
    odd = base.replace(provenance=replace(base.provenance, options=options))
    assert desk.session.fits(odd, model)
    desk.session.names["odd"] = odd
    again = desk.run("<sd15> --inference-steps 4 --image-seeds 'latents: odd'")
    whole = desk.run("<sd15> --inference-steps 4 --image-seeds 'latents: base'")
    assert torch.equal(again.result.tensor, whole.result.tensor)
