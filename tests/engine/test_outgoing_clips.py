"""Plain diffusers goes on from the latents of clips as this package does, in every family, or it is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from jupyter_latents.engine import call_arguments
from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.errors import LatentsError
from jupyter_latents.latents import Latents
from jupyter_latents.stage import Size, Window
from tests.engine.cases import PROMPT, Bench
from tests.engine.test_clips import stage_of
from tests.engine.test_clips_of_families import CASES, Case

EULER = "FlowMatchEulerDiscreteScheduler"
WAN = Case("Wan2.1", Size(32, 32))
# Family, how it is tried, and the scheduler where its own goes on from a history.
CLIPS: list[tuple[str, Case, str | None]] = [
    ("cogvideox", CASES["cogvideox"], None),
    ("cogvideox15", CASES["cogvideox15"], None),
    ("hunyuan-video", CASES["hunyuan-video"], None),
    ("hunyuan-video15", CASES["hunyuan-video15"], None),
    ("ltx", CASES["ltx"], None),
    ("ltx-condition", CASES["ltx"], None),
    ("skyreels", CASES["skyreels"], EULER),
    ("wan21", WAN, EULER),
    ("wan22", WAN, EULER),
]


def pipeline(bench: Bench, family: str, scheduler: str | None) -> Any:
    import diffusers

    pipe = diffusers.DiffusionPipeline.from_pretrained(bench.folder(family))
    pipe.set_progress_bar_config(disable=True)
    if scheduler is not None:
        pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config)
    return pipe


def gone_on(pipe: Any, base: Latents, *, exact: bool) -> torch.Tensor:
    guidance: dict[str, Any] = {"guidance_scale": 3.0}
    if getattr(pipe, "guider", None) is not None:
        pipe.guider, guidance = pipe.guider.new(guidance_scale=3.0), {}
    found: torch.Tensor = pipe(
        prompt=PROMPT, output_type="latent", **guidance, **call_arguments(base, pipe, exact=exact)
    ).frames
    return found


def as_returned(latents: Latents, family: str) -> torch.Tensor:
    if family.startswith("cogvideox"):
        return latents.tensor.transpose(1, 2)
    return latents.tensor.flatten(2).transpose(1, 2) if family == "ltx" else latents.tensor


@pytest.mark.parametrize(("family", "case", "scheduler"), CLIPS)
def test_plain_diffusers_goes_on_with_clips_to_the_same_bits(
    bench: Bench, family: str, case: Case, scheduler: str | None
) -> None:
    settings = {**case.options, "scheduler": scheduler, "batch_size": 2 if family == "wan21" else 1}
    base = bench.engine.run(stage_of(bench, family, window=Window(None, 0.5), **settings)).latents
    ours = bench.engine.run(stage_of(bench, family, **settings), Inputs((base,))).latents
    pipe = pipeline(bench, family, scheduler)
    for exact in (False, True):
        assert torch.equal(gone_on(pipe, base, exact=exact), as_returned(ours, family)), exact


def test_where_a_history_or_sound_would_be_left_behind_it_is_refused(bench: Bench) -> None:
    for family, case, message in (
        ("wan21", WAN, "goes on from its history"),
        ("ltx2", CASES["ltx"], "sound of their own"),
    ):
        base = bench.engine.run(stage_of(bench, family, window=Window(None, 0.5), **case.options)).latents
        with pytest.raises(LatentsError, match=message):
            call_arguments(base, pipeline(bench, family, None))
