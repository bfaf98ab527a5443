"""A run makes the processor wait for an accelerator no more often than plain diffusers does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from jupyter_latents.engine.failures import finite
from jupyter_latents.engine.failures.finite import LateCheck
from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.observer import Look, Silent, StepEvent
from jupyter_latents.engine.tap import leaving
from jupyter_latents.errors import RunError
from jupyter_latents.latents.tensors import tensor_digest
from tests.engine.cases import PROMPT, Bench, plain

STEPS = 6


class Reading(TorchDispatchMode):
    """Counts the numbers that are read of tensors: on an accelerator each waits for all that is queued."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.marks = 0, list[int]()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += function.overloadpacket is torch.ops.aten._local_scalar_dense
        return function(*args, **(kwargs or {}))

    def mark(self) -> None:
        """Notes the count at a step's end."""
        self.marks.append(self.count)

    @property
    def between(self) -> list[int]:
        """How many were read in each step but the first."""
        return [last - first for first, last in zip(self.marks, self.marks[1:], strict=False)]


class Marking(Silent):
    def __init__(self, mark: Callable[[], None]) -> None:
        self.mark = mark

    def step(self, event: StepEvent, look: Look) -> None:
        self.mark()


def by_plain(bench: Bench, family: str) -> list[int]:
    pipeline = plain(bench.folder(family))

    def told(_pipeline: Any, _step: int, _timestep: Any, _values: Any) -> dict[str, Any]:
        reading.mark()
        return {}

    with Reading() as reading:
        pipeline(
            PROMPT, num_inference_steps=STEPS, guidance_scale=3.0, height=64, width=64, output_type="latent",
            generator=torch.Generator().manual_seed(7), callback_on_step_end=told,
        )  # fmt: skip
    return reading.between


def by_engine(bench: Bench, family: str) -> list[int]:
    with Reading() as reading:
        bench.engine.run(bench.stage(family, num_inference_steps=STEPS), observer=Marking(reading.mark))
    return reading.between


def late(monkeypatch: pytest.MonkeyPatch, asked: list[torch.Tensor]) -> None:
    """Has the CPU asked as an accelerator is: the answer is made now and read later."""

    def ask(values: torch.Tensor) -> Callable[[], bool]:
        answer = torch.isfinite(values).all()

        def read() -> bool:
            asked.append(values)
            return bool(answer.numpy())  # no number of an accelerator: its answer lies in the CPU's memory by then

        return read

    monkeypatch.setattr(finite, "_reads_late", lambda _values: True)
    monkeypatch.setattr(finite, "_asked", ask)


@pytest.mark.parametrize("family", ["sd15", "sdxl", "flux"])
def test_a_step_reads_no_number_of_the_device_that_diffusers_does_not(
    bench: Bench, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late(monkeypatch, [])
    assert by_engine(bench, family) == by_plain(bench, family)


@pytest.mark.parametrize(
    ("family", "scheduler"), [("sd15", None), ("sdxl", "DPMSolverMultistepScheduler"), ("flux", None)]
)
def test_all_steps_leave_the_device_with_one_wait(
    bench: Bench, family: str, scheduler: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = bench.stage(family, num_inference_steps=STEPS, scheduler=scheduler)
    expected = bench.engine.run(stage).latents
    queued, copies, waits = list[torch.Tensor](), list[torch.Tensor](), list[int]()

    def queue(tensor: torch.Tensor) -> torch.Tensor:
        queued.append(tensor)
        copies.append(torch.zeros_like(tensor))  # its values are not there before somebody waits
        return copies[-1]

    def wait(tensors: Sequence[torch.Tensor]) -> None:
        waits.append(len(tensors))
        for copy, tensor in zip(copies, tensors, strict=True):
            copy.copy_(tensor)

    monkeypatch.setattr(leaving, "_is_far", lambda _tensor: True)
    monkeypatch.setattr(leaving, "_queue", queue)
    monkeypatch.setattr(leaving, "_wait", wait)
    made = bench.engine.run(stage).latents
    assert waits == [len(queued)]
    assert len({id(tensor) for tensor in queued}) == len(queued), "each is copied once"
    for step, other in zip(made.trajectory, expected.trajectory, strict=True):
        assert step.digest == other.digest
        assert step.tensor.stride() == other.tensor.stride()
        assert (step.resume is None) == (other.resume is None)
        if step.resume is not None:
            assert tensor_digests(step.resume.scheduler) == tensor_digests(other.resume.scheduler)


def tensor_digests(value: Any) -> Any:
    """A scheduler's state with what its tensors hold in their place."""
    if isinstance(value, torch.Tensor):
        return tensor_digest(value)
    if isinstance(value, Mapping):
        return {name: tensor_digests(part) for name, part in value.items()}
    return list(map(tensor_digests, value)) if isinstance(value, (list, tuple)) else value


def test_a_check_is_read_when_the_next_step_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.Tensor] = []
    late(monkeypatch, asked)
    check, steps = LateCheck(), [torch.full((2,), float(number)) for number in range(3)]
    for number, step in enumerate(steps):
        assert check.add(step) is None
        assert len(asked) == number
    assert check.settle() is None
    assert list(map(id, asked)) == list(map(id, steps))


def test_a_step_that_is_no_number_is_told_until_somebody_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    late(monkeypatch, [])
    check, bad = LateCheck(), torch.tensor([1.0, math.nan])
    assert check.add(bad) is None
    assert check.settle() is bad
    assert check.add(torch.ones(2)) is bad, "a preview that asked has not hidden it"


def spoil_call(engine: LocalEngine, bench: Bench, number: int) -> Any:
    """Has the U-Net make NaN in one of its calls."""
    unet = engine.cache.load(bench.stage("sd15").model).parts["unet"]
    calls = 0

    def spoil(_module: Any, _args: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        return (output[0] * math.nan, *output[1:]) if calls == number else output

    return unet.register_forward_hook(spoil)


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("bad", [3, STEPS])
def test_the_step_is_named_that_made_no_numbers(
    bench: Bench, is_late: bool, bad: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_late:
        late(monkeypatch, [])
    engine = LocalEngine()
    stage = bench.stage("sd15", num_inference_steps=STEPS, scheduler="DDIMScheduler")
    hook = spoil_call(engine, bench, bad)
    with pytest.raises(RunError, match=f"the unet of .*, at step {bad} of {STEPS}, made NaN") as failed:
        engine.run(stage)
    hook.remove()
    kept = failed.value.partial
    assert kept is not None
    assert kept.latents.position.step == bad - 1


class Looking(Silent):
    def step(self, event: StepEvent, look: Look) -> None:
        try:
            look.values()
        except RunError:
            self.refused = event.step


def test_a_look_at_a_step_that_is_no_number_is_refused_and_ends_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    late(monkeypatch, [])
    engine, looking = LocalEngine(), Looking()
    hook = spoil_call(engine, bench, 3)
    with pytest.raises(RunError, match=f"at step 3 of {STEPS}"):
        engine.run(bench.stage("sd15", num_inference_steps=STEPS, scheduler="DDIMScheduler"), observer=looking)
    hook.remove()
    assert looking.refused == 3
