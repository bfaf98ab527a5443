"""Runs stopped at random moments lose nothing and repeat nothing."""

import random
import threading
import time
from typing import Any

import pytest
import torch

from jupyter_latents.engine.observer import Phase
from jupyter_latents.session import Session
from tests.session.conftest import SECONDS, Desk, Notes

STEPS = 8
SCRIPT = f"""\
<sd15> --prompts cat --seeds {{seed}} --inference-steps {STEPS} --output-size 64
--scheduler EulerAncestralDiscreteScheduler --denoising-end 0.5 --into base

<sd2> --prompts dog --inference-steps {STEPS} --image-seeds 'latents: base' --into final"""


class Holding(Notes):
    """Holds the run in one of its steps until it is let go on."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left, self.there, self.go = step, threading.Event(), threading.Event()

    def step(self, *told: Any) -> None:
        super().step(*told)
        self.left -= 1
        if self.left == 0:
            self.there.set()
            assert self.go.wait(SECONDS)


@pytest.mark.parametrize("count", [15, pytest.param(200, marks=pytest.mark.slow)])
def test_a_stopped_run_goes_on_to_the_exact_result_and_repeats_no_step(desk: Desk, count: int) -> None:
    """Each other stop comes in a step that is known, so that all steps have one; the rest come whenever they come."""
    chance = random.Random(count)
    desk.run(SCRIPT.format(seed=0))
    began = time.monotonic()
    desk.run(SCRIPT.format(seed=1))
    usual = time.monotonic() - began
    for seed in range(2, count + 2):
        if seed % 10 == 0:
            desk.session.unload()  # so that some stops come while a model loads
        text = SCRIPT.format(seed=seed)
        held = Holding(1 + seed // 2 % (STEPS - 1)) if seed % 2 else None
        step = held.left if held is not None else 0
        run = desk.start(text, held)
        if held is not None:
            assert held.there.wait(SECONDS)
        else:
            time.sleep(chance.uniform(0, 1.1 * usual))
        run.stop()
        if held is not None:
            held.go.set()
        assert run.wait(SECONDS)
        assert run.error is None
        stopped = run.model_evaluations
        assert stopped == step or held is None
        rest = desk.run(text)
        assert stopped + rest.model_evaluations == STEPS, "a step was lost or repeated"
        went_on = desk["final"].tensor
        if seed % 5 == 0:
            assert torch.equal(went_on, Desk(desk.models, Session()).run(text).result.tensor)


def test_a_stop_while_loading_ends_before_the_first_step(desk: Desk) -> None:
    class Stopping(type(desk.notes)):  # type: ignore[misc]
        def phase(self, phase: Phase) -> None:
            if phase.name == at:
                started.stop()

    from jupyter_latents.session import Task
    from jupyter_latents.syntax import Script

    for at in ("loading", "encoding", "denoising"):
        script = Script(desk.text(SCRIPT.format(seed=4)))
        observer = Stopping()
        started = desk.session.executor.submit(lambda run: time.sleep(0.2))
        started = desk.session.start(Task(script), observer)
        assert started.wait(SECONDS)
        assert (started.state, started.model_evaluations) == ("stopped", 0)
        assert f"stopped while {at}; no step had run" in observer.lines[-1]
        assert "base" not in desk.session.names
    assert desk.run(SCRIPT.format(seed=4)).model_evaluations == STEPS
