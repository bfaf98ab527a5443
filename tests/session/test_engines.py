"""A session runs on whatever engine it is given, and asks its own machine nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine import Look, Phase, StepEvent, local_engine
from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.session import Session
from jupyter_latents.settings import SETTINGS
from tests.session.conftest import Desk, Notes
from tests.session.engines import FAR, ChildEngine, FarEngine
from tests.warm import Command

TWO = """\
<sd15> --prompts cat --seeds 3 --inference-steps 4 --schedulers EulerDiscreteScheduler --denoising-end 0.5 \\
  --output-size 64{more} --into base

<sd15> --prompts dog --inference-steps 4 --schedulers EulerDiscreteScheduler \\
  --image-seeds 'latents: base'{more} --into final"""


class Watch(Notes):
    """Keeps what it is told, and asks for a preview and the values of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.phases: list[Phase] = []
        self.steps: list[Any] = []

    def phase(self, phase: Phase) -> None:
        self.phases.append(phase)

    def step(self, event: StepEvent, look: Look) -> None:
        self.steps.append((event, [image.tobytes() for image in look.preview()], look.values().tobytes()))


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory, warm: Command) -> Iterator[ChildEngine]:
    engine = ChildEngine(tmp_path_factory.mktemp("child"), warm)
    yield engine
    engine.close()


def watched(desk: Desk, script: str) -> Watch:
    from jupyter_latents.session import Task
    from jupyter_latents.syntax import Script

    watch = Watch()
    run = desk.session.start(Task(Script(desk.text(script), 2)), watch)
    assert run.wait(120)
    if run.error is not None:
        raise run.error
    return watch


def test_a_script_on_an_engine_in_another_process_makes_what_it_makes_here(
    tiny: Callable[[str], Path], child: ChildEngine
) -> None:
    here, there = Desk(tiny, Session(engine=local_engine(SETTINGS))), Desk(tiny, Session(engine=child))
    script = TWO.format(more="")
    own, other = watched(here, script), watched(there, script)
    assert (other.steps, other.lines) == (own.steps, own.lines)
    assert len(other.steps) == 4
    assert [phase.name for phase in other.phases] == [phase.name for phase in own.phases]
    for name in ("base", "final"):
        assert torch.equal(there[name].tensor, here[name].tensor)
        assert there[name].facts() == here[name].facts()
    assert there.session.decode(there["base"])[0].tobytes() == here.session.decode(here["base"])[0].tobytes()
    assert there.session.preview(there["base"])[0].tobytes() == here.session.preview(here["base"])[0].tobytes()
    assert there.plan(script).rows() == here.plan(script).rows()
    assert there.run(script).model_evaluations == 0, "it is kept from before"
    assert {row.what for row in there.session.holdings()} == {row.what for row in here.session.holdings()}


def test_seeds_of_one_batch_run_in_another_process(tiny: Callable[[str], Path], child: ChildEngine) -> None:
    script = "<sd15> --prompts cat --seeds 3 4 --inference-steps 2 --output-size 64 --batch-seeds --into two"
    here, there = Desk(tiny), Desk(tiny, Session(engine=child))
    here.run(script)
    there.run(script)
    assert [torch.equal(*pair) for pair in zip(tensors(there["two"]), tensors(here["two"]), strict=True)] == [True] * 2


def tensors(several: Any) -> list[torch.Tensor]:
    return [latents.tensor for latents in several]


def test_a_refusal_of_another_process_reads_as_one_of_this(tiny: Callable[[str], Path], child: ChildEngine) -> None:
    script = f"{TWO.format(more='')} --output-size 128"
    messages = []
    for desk in (Desk(tiny), Desk(tiny, Session(engine=child))):
        with pytest.raises(HandoffError) as caught:
            desk.run(script)
        messages.append((str(caught.value), caught.value.place))
    assert messages[0] == messages[1]
    assert messages[0][1] is not None


@pytest.fixture
def far(tiny: Callable[[str], Path]) -> Desk:
    return Desk(tiny, Session(engine=FarEngine(local_engine(SETTINGS))))


def test_this_machine_is_not_asked_for_a_device_of_another(far: Desk, desk: Desk) -> None:
    script = TWO.format(more=f" --device {FAR}")
    assert isinstance(desk.plan(script).stages[0].error, ModelError)
    plan = far.plan(script)
    assert (plan.refused, plan.model_evaluations) == ((), 4)
    assert far.run(script).model_evaluations == 4
    assert far.plan(script).saved_evaluations == 4
    assert far.run(script).model_evaluations == 0, "it is kept from before"


def test_the_next_model_is_read_ahead_by_the_engine_that_will_run_it(far: Desk) -> None:
    first, second = TWO.format(more=f" --device {FAR}").split("\n\n")
    far.run(f"{first}\n\n{second.replace('<sd15>', '<sd2>')}")
    assert asked(far).count("read_ahead") == 1


def test_an_engine_is_asked_for_each_model_once_a_plan_and_once_a_run(far: Desk) -> None:
    script = "\n\n".join(f"<{name}> --prompts cat --seeds 1 2 --inference-steps 1" for name in ("sd15", "sd2", "sd15"))
    far.plan(script)
    assert (asked(far).count("describe"), asked(far).count("prepare")) == (2, 6)
    asked(far).clear()
    far.run(script)
    assert asked(far).count("describe") == 2


def asked(desk: Desk) -> list[str]:
    engine: Any = desk.session.engine
    return engine.asked
