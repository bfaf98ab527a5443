"""A run of the session is iterated, awaited and used as a context, whoever started it."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_latents.errors import NameNotFoundError, StoppedError
from tests.session.conftest import SECONDS, Desk

pytestmark = pytest.mark.kept_models

SCRIPT = (
    "<sd15> --prompts cat --seeds 3 --inference-steps 4 --output-size 64 --scheduler EulerDiscreteScheduler --into made"
)


def test_a_background_run_of_a_cell_is_iterated(desk: Desk) -> None:
    run = desk.start(SCRIPT)
    assert [step.index for step in run] == [1, 2, 3, 4]
    assert run.get() is desk["made"]


def test_steps_keep_no_run_alive_and_give_their_latents_after_it(desk: Desk) -> None:
    run = desk.start(SCRIPT)
    steps = list(run)
    assert all(step._source.look is None for step in steps)
    assert [step.latents.position.step for step in steps if step.latents.position] == [1, 2, 3, 4]


def test_a_run_that_was_stopped_while_it_waited_gives_no_step(desk: Desk) -> None:
    first = desk.start(SCRIPT)
    first.pause()
    second = desk.start(SCRIPT)
    second.stop()
    first.resume()
    assert list(second) == []
    with pytest.raises(StoppedError, match="nothing was made"):
        second.get()
    assert first.wait(SECONDS)


def test_a_failed_run_raises_wherever_it_is_waited_for(desk: Desk) -> None:
    run = desk.start("<sd15> --prompts cat --image-seeds 'latents: nobody'")
    with pytest.raises(NameNotFoundError):
        list(run)
    with pytest.raises(NameNotFoundError):
        run.get()

    async def awaited() -> None:
        await run

    with pytest.raises(NameNotFoundError):
        asyncio.run(awaited())
    with pytest.raises(NameNotFoundError), run:
        pass


def test_a_stage_answered_from_memory_tells_the_steps_that_it_ran(desk: Desk) -> None:
    rest = "<sd15> --prompts cat --seeds 3 --inference-steps 4 --scheduler EulerDiscreteScheduler --image-seeds"
    desk.run(f"{SCRIPT} --denoising-end 0.5")
    for image in ("'latents: made'", "'made' --image-seed-strengths 0.5"):
        ran = [step.index for step in desk.start(f"{rest} {image} --into rest")]
        assert len(ran) == 2
        kept = desk.start(f"{rest} {image} --into rest")
        assert [step.index for step in kept] == ran
        assert kept.results[0].evaluations == 0
