"""What goes into a run and what comes out of it pickles: through a fresh process, and equal afterwards."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from PIL import Image

from jupyter_latents.engine.observer import Look, Phase, Silent, StepEvent
from jupyter_latents.engine.result import StageResult
from jupyter_latents.engine.rules.calls import Inputs
from jupyter_latents.errors import LatentsError, Place, RunError
from jupyter_latents.latents import Latents
from tests.engine.cases import Bench, inputs, windows
from tests.warm import Command

Through = Callable[[Any], Any]

BACK = """
import pickle, sys
given = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps(given))
"""


class Told(Silent):
    """Keeps what a run tells; breaks it after some steps, where that is asked for."""

    def __init__(self, breaks_after: int = -1) -> None:
        self.phases: list[Phase] = []
        self.steps: list[StepEvent] = []
        self.breaks_after = breaks_after

    def phase(self, phase: Phase) -> None:
        self.phases.append(phase)

    def step(self, event: StepEvent, look: Look) -> None:
        self.steps.append(event)
        if len(self.steps) == self.breaks_after:
            raise RuntimeError("broken")


@pytest.fixture(scope="module")
def through_a_process(warm: Command) -> Through:
    """Gives a value as a fresh process gives it back."""

    def through(value: Any) -> Any:
        command = warm("-c", BACK)
        done = subprocess.run(command, input=pickle.dumps(value), capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return pickle.loads(done.stdout)  # noqa: S301

    return through


def fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


PLAIN: list[tuple[Callable[[Any], bool], Callable[[Any], Any]]] = [
    (lambda value: isinstance(value, torch.Tensor), lambda value: (value.dtype, value.tolist())),
    (lambda value: isinstance(value, Image.Image), lambda value: (value.size, value.mode, value.tobytes())),
    (lambda value: isinstance(value, BaseException), lambda value: plain({"args": value.args, **vars(value)})),
    (dataclasses.is_dataclass, lambda value: plain(fields(value))),
    (lambda value: isinstance(value, Mapping), lambda value: {key: plain(value[key]) for key in value}),
    (lambda value: isinstance(value, Sequence) and not isinstance(value, str), lambda value: list(map(plain, value))),
]


def plain(value: Any) -> Any:
    """All that a value holds, tensors and pictures to the last bit, as what Python compares by itself."""
    way = next((way for holds, way in PLAIN if holds(value)), None)
    kind = dict if isinstance(value, Mapping) else type(value)  # read-only mappings come back as plain ones
    return value if way is None else (kind, way(value))


@pytest.fixture(scope="module")
def told(bench: Bench) -> tuple[Told, StageResult]:
    observer = Told()
    bench.engine.cache.unload()
    return observer, bench.engine.run(bench.stage("sd15"), inputs(), observer)


def test_steps_are_plain_data(told: tuple[Told, StageResult], through_a_process: Through) -> None:
    steps = told[0].steps
    assert [event.step for event in steps] == list(range(1, steps[-1].span.end + 1))
    assert [event.index for event in steps] == [event.span.index(event.step) for event in steps]
    assert steps[-1].noise.is_clean
    assert through_a_process(steps) == steps


def test_phases_are_plain_data(told: tuple[Told, StageResult], through_a_process: Through) -> None:
    phases = told[0].phases
    assert [phase.name for phase in phases if phase.name != "loading"] == ["encoding", "denoising", "decoding"]
    assert {phase.reading.model for phase in phases if phase.reading} == {told[1].latents.provenance.model}
    (denoising,) = (phase for phase in phases if phase.name == "denoising")
    assert denoising.span == told[1].span
    assert denoising.noise is not None
    assert denoising.noise.sigma > told[0].steps[0].noise.sigma
    assert through_a_process(phases) == phases


def test_results_are_plain_data(told: tuple[Told, StageResult], through_a_process: Through) -> None:
    result = told[1]
    again = through_a_process(result)
    assert len(again.latents.trajectory) == result.evaluations
    assert plain(again) == plain(result)
    assert [step.digest for step in again.latents.trajectory] == [step.digest for step in result.latents.trajectory]


def test_steps_that_are_looked_at_while_the_stage_runs_are_those_it_leaves(bench: Bench) -> None:
    seen: dict[int, Latents] = {}

    class Looking(Silent):
        def step(self, event: StepEvent, look: Look) -> None:
            if event.step == 2:
                self.early = look
                with pytest.raises(LatentsError, match=r"step 3 of .* is not there; choose a step that is done"):
                    look.latents(3)
            if event.step == event.span.end:
                seen.update({step: self.early.latents(step) for step in (1, 2, event.step)})

    left = bench.engine.run(bench.stage("sd15"), inputs(), Looking()).latents
    for step, latents in seen.items():
        assert plain(latents.replace(trajectory=())) == plain(left.at(step=step).replace(trajectory=()))
        assert [one.digest for one in latents.trajectory] == [one.digest for one in left.trajectory[:step]]
    assert len(seen) == 3


def test_inputs_are_plain_data(told: tuple[Told, StageResult], through_a_process: Through) -> None:
    picture = Image.radial_gradient("L")
    given = Inputs((told[1].latents.trajectory[1],), (picture.convert("RGB"),), (picture,), (picture.convert("RGBA"),))
    assert plain(through_a_process(given)) == plain(given)
    assert through_a_process(Inputs()) == Inputs()


def test_a_failed_run_carries_its_steps_through_a_process(bench: Bench, through_a_process: Through) -> None:
    with pytest.raises(RunError) as caught:
        bench.engine.run(bench.stage("sd15"), inputs(), Told(breaks_after=3))
    error = caught.value.at(Place(3, 1, "<sd15>"))
    again = through_a_process(error)
    assert isinstance(again.partial, StageResult)
    assert again.partial.evaluations == 3
    assert plain(again) == plain(error)


def test_a_run_goes_on_from_latents_of_another_process_as_if_they_never_left(
    bench: Bench, through_a_process: Through
) -> None:
    first, second = windows(0.4)
    half = bench.engine.run(bench.stage("sd15", window=first)).latents
    stage = bench.stage("sd15", window=second)
    here = bench.engine.run(stage, inputs("txt2img", half)).latents
    assert torch.equal(bench.engine.run(stage, inputs("txt2img", through_a_process(half))).latents.tensor, here.tensor)
