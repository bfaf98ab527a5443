"""Out of memory: runs go on in less of it, and what was computed stays.

Hooks of torch's own raise what a full device raises.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from jupyter_latents.errors import RunError
from jupyter_latents.session import Session
from jupyter_latents.stage import ModelSource
from tests.session.conftest import Desk

STEPS = 6
SCRIPT = (
    f"<sd15> --prompts cat --seeds 3 --inference-steps {STEPS} --output-size 64 "
    "--scheduler EulerAncestralDiscreteScheduler --into made"
)


@contextmanager
def full_when(module: torch.nn.Module, is_full: Callable[[torch.Tensor], bool]) -> Iterator[list[tuple[int, ...]]]:
    """The module's device is full whenever `is_full` says so of its input; gives the shapes that came through."""
    came: list[tuple[int, ...]] = []

    def check(_module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        if is_full(inputs[0]):
            raise torch.OutOfMemoryError("out of memory. Tried to allocate 20.00 GiB")
        came.append(tuple(inputs[0].shape))

    handle = module.register_forward_pre_hook(check)
    try:
        yield came
    finally:
        handle.remove()


def part(desk: Desk, name: str, *optimize: str) -> Any:
    return desk.session.engine.cache.load(ModelSource(str(desk.models("sd15")), optimize=optimize)).parts[name]


@pytest.fixture
def expected(desk: Desk) -> torch.Tensor:
    """What the script makes with memory enough."""
    return Desk(desk.models, Session()).run(SCRIPT).result.tensor


def test_idle_models_are_let_go_of_and_no_step_is_repeated(desk: Desk, expected: torch.Tensor) -> None:
    desk.run("<sd2> --prompts dog --seeds 1 --inference-steps 1 --output-size 64")
    cache, name = desk.session.engine.cache, str(desk.models("sd2"))

    def others_held(_: torch.Tensor) -> bool:
        return len(came) == 3 and any(row.models == (name,) and row.size for row in cache.rows())

    with full_when(part(desk, "unet"), others_held) as came:
        run = desk.run(SCRIPT)
    assert torch.equal(run.result.tensor, expected)
    assert (len(came), run.model_evaluations) == (STEPS, STEPS)
    assert len(run.result.trajectory) == STEPS
    assert any("models not in use were let go of" in line for line in desk.notes.lines)
    assert not any(row.models == (name,) and row.size for row in cache.rows())


def test_a_picture_too_large_to_decode_is_decoded_in_tiles(desk: Desk, expected: torch.Tensor) -> None:
    vae = part(desk, "vae")
    tile = int(vae.tile_latent_min_size)
    script = SCRIPT.replace("--output-size 64", f"--output-size {tile * 8 * 2}")
    with full_when(vae.decoder, lambda latents: latents.shape[-1] > tile) as came:
        run = desk.run(script)
    assert run.model_evaluations == STEPS
    assert run.results[-1].images[0].size == (tile * 16, tile * 16)
    assert len(came) > 1
    assert any("the VAE works in tiles" in line for line in desk.notes.lines)
    assert not vae.use_tiling


def test_when_nothing_helps_it_says_what_was_tried_and_keeps_the_steps(desk: Desk, expected: torch.Tensor) -> None:
    with full_when(part(desk, "unet"), lambda _: len(came) == 4) as came, pytest.raises(RunError) as caught:
        desk.run(SCRIPT)
    for said in ("ran out of memory on cpu", "let go of", "in tiles", "Use a smaller", "The steps done are kept"):
        assert said in caught.value.message
    assert desk["made"].position.step == 4
    rest = desk.run(SCRIPT.replace("--seeds 3", "--image-seeds 'latents: made'"))
    assert rest.model_evaluations == STEPS - 4
    assert torch.equal(rest.result.tensor, expected)


def test_a_run_with_a_step_cache_begins_anew(desk: Desk) -> None:
    """What its cache knew does not travel with the latents, so going on would be another run."""
    script = f"{SCRIPT} --optimize taylorseer"
    whole = Desk(desk.models, Session()).run(script).result.tensor
    calls = itertools.count()
    with full_when(part(desk, "unet", "taylorseer"), lambda _: next(calls) == 2) as came:
        run = desk.run(script)
    assert torch.equal(run.result.tensor, whole)
    assert len(came) == 2 + STEPS
    assert run.model_evaluations == STEPS


def test_other_errors_are_told_at_once(desk: Desk) -> None:
    def broken(_module: torch.nn.Module, _inputs: tuple[Any, ...]) -> None:
        raise RuntimeError("a kernel is missing")

    handle = part(desk, "unet").register_forward_pre_hook(broken)
    with pytest.raises(RunError, match="a kernel is missing"):
        desk.run(SCRIPT)
    handle.remove()
    assert not any("out of memory" in line for line in desk.notes.lines)


def test_the_runs_own_model_is_not_read_again(desk: Desk) -> None:
    unet = part(desk, "unet")
    desk.run("<sd2> --prompts dog --seeds 1 --inference-steps 1 --output-size 64")
    loads = desk.session.engine.cache.loads
    calls = itertools.count()
    with full_when(unet, lambda _: next(calls) == 2):
        assert desk.run(SCRIPT).model_evaluations == STEPS
    assert desk.session.engine.cache.loads == loads
    assert part(desk, "unet") is unet
