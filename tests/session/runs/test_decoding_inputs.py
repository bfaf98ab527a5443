"""Latents in the place of a picture: their decoding is told as a phase of its own, and goes on in less memory."""

from __future__ import annotations

import pytest
import torch

from jupyter_latents.engine import Phase
from jupyter_latents.errors import LatentsWarning, RunError
from jupyter_latents.session import Task
from jupyter_latents.syntax import Script
from tests.session.conftest import SECONDS, Desk, Notes
from tests.session.runs.test_out_of_memory import full_when, part

MAKE = "<sd15> --prompts cat --seeds 3 --inference-steps 2 --output-size {size} --into base"
TAKE = "<sd15> --prompts dog --seeds 4 --inference-steps 2 --image-seeds base --image-seed-strengths 0.5 --into after"


class Phases(Notes):
    """Keeps the phases of a run, too."""

    def __init__(self) -> None:
        super().__init__()
        self.phases: list[Phase] = []

    def phase(self, phase: Phase) -> None:
        self.phases.append(phase)


def test_its_decoding_is_a_phase_that_says_what_is_decoded(desk: Desk) -> None:
    desk.run(MAKE.format(size=64))
    observer = Phases()
    run = desk.session.start(Task(Script(desk.text(TAKE), 2)), observer)
    assert run.wait(SECONDS)
    assert run.error is None
    assert observer.phases[0] == Phase("decoding", subject="base")
    assert [phase.subject for phase in observer.phases].count("base") == 1


def test_a_picture_too_large_to_decode_is_decoded_in_tiles(desk: Desk) -> None:
    vae = part(desk, "vae")
    tile = int(vae.tile_latent_min_size)
    desk.run(MAKE.format(size=tile * 16) + " --vae-tiling")
    base = desk["base"]
    with full_when(vae.decoder, lambda latents: latents.shape[-1] > tile) as came:
        desk.run(f"{TAKE} --vae-tiling")
        assert not any("out of memory" in line for line in desk.notes.lines), "the stage has its VAE work in tiles"
        desk.session.memo._kept.clear()
        run = desk.run(TAKE)
        with pytest.warns(LatentsWarning, match="out of memory while latents were decoded") as warned:
            pictures = desk.session.decode(base)
    assert "the VAE works in tiles" in str(warned[-1].message)
    assert run.results[-1].images[0].size == pictures[0].size == (tile * 16, tile * 16)
    assert len(came) > 2
    told = [line for line in desk.notes.lines if "out of memory while latents were decoded" in line]
    assert [line.partition(": ")[2] for line in told][-1] == "the VAE works in tiles; it goes on"
    assert not vae.use_tiling


def test_idle_models_are_let_go_of_first(desk: Desk) -> None:
    desk.run(MAKE.format(size=64))
    desk.run("<sd2> --prompts dog --seeds 1 --inference-steps 1 --output-size 64")
    cache, name = desk.session.engine.cache, str(desk.models("sd2"))
    with full_when(
        part(desk, "vae").decoder, lambda _: any(row.models == (name,) and row.size for row in cache.rows())
    ):
        desk.run(TAKE)
    assert any("models not in use were let go of" in line for line in desk.notes.lines)
    assert not any("tiles" in line for line in desk.notes.lines)


def test_when_nothing_helps_it_says_what_was_tried(desk: Desk) -> None:
    desk.run(MAKE.format(size=64))
    with (
        full_when(part(desk, "vae").decoder, lambda _: True),
        pytest.raises(RunError, match="ran out of memory") as caught,
    ):
        desk.run(TAKE)
    for said in ("let go of", "in tiles", "(1, 4, 8, 8)", "--dtype float16"):
        assert said in caught.value.message
    assert caught.value.place is not None


def test_other_errors_of_a_vae_are_ours(desk: Desk) -> None:
    desk.run(MAKE.format(size=64))

    def broken(_module: torch.nn.Module, _inputs: tuple[object, ...]) -> None:
        raise RuntimeError("a kernel is missing")

    handle = part(desk, "vae").decoder.register_forward_pre_hook(broken)
    with pytest.raises(RunError, match="the VAE failed while it decoded: RuntimeError: a kernel is missing"):
        desk.session.decode(desk["base"])
    handle.remove()
