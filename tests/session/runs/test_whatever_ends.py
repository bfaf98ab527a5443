"""Whatever ends a run before its time is told as its error; a run that is done has made all of its stages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from PIL import Image

from jupyter_latents.engine.observer import Look, StepEvent
from jupyter_latents.engine.vae.bridge import register_converter
from jupyter_latents.errors import JupyterLatentsError, RunError, StoppedError
from jupyter_latents.session import Task
from jupyter_latents.syntax import Script
from tests.session.conftest import SECONDS, Desk, Notes

ENDS = [
    SystemExit(0),
    SystemExit("bye"),
    KeyboardInterrupt(),
    GeneratorExit(),
    MemoryError("no room"),
    RecursionError(),
]
ENDS += [BaseException("own"), StopIteration(), StopAsyncIteration(), ExceptionGroup("two", [ValueError("a")])]
EACH = pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
TWO = """\
<sd15> --prompts cat --seeds 3 --inference-steps 4 --output-size 64 --denoising-end 0.5 --into base

<sdxl> --prompts dog --inference-steps 4 --image-seeds 'latents: base' --into final"""


@pytest.fixture
def raising() -> Iterator[Any]:
    """Registers a converter that raises; it is gone after the test."""

    def register(end: BaseException) -> None:
        def converter(_clean: torch.Tensor) -> torch.Tensor:
            raise end

        register_converter("SD", "SDXL", converter)

    yield register
    register_converter("SD", "SDXL", None)


@EACH
def test_a_converter(desk: Desk, raising: Any, end: BaseException) -> None:
    raising(end)
    run = desk.start(TWO)
    assert run.wait(SECONDS)
    assert run.state == "failed"
    assert isinstance(run.error, RunError)
    said = "ran out of memory" if isinstance(end, MemoryError) else type(end).__name__
    assert said in run.error.message
    assert not run.error.message.endswith(": ")
    assert run.error.__cause__ is end
    assert desk["base"].position.step == 2, "what was made before stays bound"
    assert "final" not in desk.session.names


@pytest.mark.parametrize("end", [end for end in ENDS if not isinstance(end, MemoryError)], ids=repr)
def test_a_step_keeps_the_steps_before(desk: Desk, end: BaseException) -> None:
    class Raising(Notes):
        def step(self, event: StepEvent, look: Look) -> None:
            if event.step == 2:
                raise end

    run = desk.session.start(Task(Script(desk.text(TWO.partition("\n\n")[0].replace("0.5", "1")))), Raising())
    assert run.wait(SECONDS)
    assert run.state == "failed"
    assert type(end).__name__ in str(run.error)
    assert desk["base"].position.step == 2
    assert desk["base"].resume is not None


@EACH
def test_a_picture_that_somebody_made(desk: Desk, end: BaseException) -> None:
    class Hostile(Image.Image):
        def load(self) -> Any:
            raise end

    desk.session.names["photo"] = Image.new("RGB", (64, 64))
    desk["photo"].__class__ = Hostile
    run = desk.start("<sd15> --prompts x --inference-steps 2 --output-size 64 --image-seeds photo --into made")
    assert run.wait(SECONDS)
    assert run.state == "failed"
    assert isinstance(run.error, JupyterLatentsError)
    assert type(end).__name__ in run.error.message


def test_a_stop_that_nobody_asked_for_is_a_failure(desk: Desk, raising: Any) -> None:
    raising(StoppedError("I stop."))
    run = desk.start(TWO)
    assert run.wait(SECONDS)
    assert (run.state, len(run.results)) == ("failed", 1)


def test_the_cell_fails(shell: Any, desk: Desk, raising: Any) -> None:
    raising(SystemExit(0))
    ended = shell.run_cell(f"%%dgen\n{desk.text(TWO)}")
    assert isinstance(ended.error_in_exec, RunError)
    assert "SystemExit" in str(ended.error_in_exec)
