"""The next stage's model is read while the present stage runs, and nothing is read that would push something out."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from jupyter_latents.engine.observer import Look, Phase, Reading, StepEvent
from jupyter_latents.errors import ModelError
from jupyter_latents.session import Session, Task
from jupyter_latents.settings import Settings
from jupyter_latents.stage import Stage
from jupyter_latents.syntax import Script
from tests.session.conftest import SECONDS, Desk, Notes

TWO = """\
<sd15> --prompts cat --seeds 3 --inference-steps 4 --output-size 64 --denoising-end 0.5 --into base

{second} --prompts dog --inference-steps 4 --image-seeds 'latents: base' --into final"""


class Watch(Notes):
    """Holds the first stage after its second step until the second's U-Net is there, or some seconds have passed."""

    def __init__(self, session: Session, name: str, seconds: float) -> None:
        super().__init__()
        self.session, self.name, self.seconds = session, name, seconds
        self.there, self.loading, self.index = False, list[Reading | None](), 0

    def stage(self, index: int, stage: Stage, name: str) -> None:
        self.index = index

    def phase(self, phase: Phase) -> None:
        if phase.name == "loading":
            self.loading.append(phase.reading)

    def step(self, event: StepEvent, look: Look) -> None:
        deadline = time.monotonic() + self.seconds
        while self.index == 0 and event.step > 1 and not self.there and time.monotonic() < deadline:
            rows = [row for row in self.session.holdings() if row.what.startswith("unet")]
            self.there = any(self.name in row.models for row in rows)
            time.sleep(0.01)


def watched(desk: Desk, seconds: float = SECONDS) -> Watch:
    watch = Watch(desk.session, str(desk.models("sd2")), seconds)
    run = desk.session.start(Task(Script(desk.text(TWO.format(second="<sd2>")), 2)), watch)
    assert run.wait(SECONDS)
    assert run.error is None
    return watch


def test_the_next_model_is_there_before_its_stage_begins(desk: Desk) -> None:
    watch = watched(desk)
    assert watch.there
    assert watch.loading[-1] == Reading(str(desk.models("sd2"))), "its stage found all parts held"
    assert not [thread for thread in threading.enumerate() if "read-ahead" in thread.name]


def test_nothing_is_read_ahead_that_memory_has_no_room_for(desk: Desk) -> None:
    desk.run("<sd15> --prompts cat --seeds 1 --inference-steps 1 --output-size 64")
    held = sum(row.size for row in desk.session.holdings())
    tight = Desk(desk.models, Session(settings=Settings(model_memory=held + 1000)))
    watch = watched(tight, 1.0)
    assert not watch.there
    assert len(watch.loading) > 2


def test_a_model_that_cannot_be_read_is_told_by_its_own_stage(desk: Desk, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(desk.models("sd2"), tmp_path / "broken"))
    weights = broken / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    save_file({**tensors, "conv_in.weight": tensors["conv_in.weight"][:, :1].contiguous()}, weights)  # of no U-Net
    with pytest.raises(ModelError, match="unet of") as caught:
        desk.run(TWO.format(second=broken))
    assert caught.value.place is not None
    assert caught.value.place.line == 4
    assert torch.isfinite(desk["base"].tensor).all()
