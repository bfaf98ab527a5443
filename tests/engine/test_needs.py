"""What would take more memory than the machine has is refused before anything is taken, by the option to blame."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.rules import needs
from jupyter_latents.errors import ModelError
from jupyter_latents.latents import SPACES, Latents, Noise
from jupyter_latents.stage import Size, Stage, Window
from tests.engine.cases import Bench

SMALL = 200_000_000  # bytes of a machine that stages of the tiny models just fit in


@pytest.mark.parametrize("model", ["sd15", "sdxl", "flux", "demo/scenes"])
@pytest.mark.parametrize(
    ("options", "blamed"),
    [
        ({"batch_size": 1_000_000, "size": Size(32, 32)}, "batch_size"),
        ({"batch_size": 10_000_000, "size": Size(32, 32), "window": Window(None, 0.5)}, "batch_size"),
        ({"size": Size(100_000, 100_000)}, "output_size"),
        ({"size": Size(80_000, 80_000), "batch_size": 3}, "output_size"),
    ],
    ids=str,
)
def test_what_memory_cannot_hold_is_refused_by_its_option(
    bench: Bench, model: str, options: dict[str, Any], blamed: str
) -> None:
    """A batch of a million passed at 32 pixels, and the system ended the kernel."""
    with pytest.raises(ModelError, match=r"need about .* of memory .* has .*\. Use a smaller") as refused:
        prepare(bench.stage(model, **options))
    assert refused.value.option == blamed
    assert str(options["size"]) in refused.value.message


def test_steps_that_memory_cannot_keep_are_refused(bench: Bench) -> None:
    with pytest.raises(ModelError, match=r"100000 steps need .* for the steps that are kept.*Use fewer") as refused:
        prepare(bench.stage("demo/flow", size=Size(512, 512), num_inference_steps=100_000))
    assert refused.value.option == "inference_steps"


def test_weights_are_counted_in_the_dtype_that_they_run_in(bench: Bench) -> None:
    stage = bench.stage("sd15")
    half = replace(stage, model=replace(stage.model, dtype="bfloat16"))
    assert prepare(stage).weights == 2 * prepare(half).weights > 0


def foreseen(stage: Stage) -> needs.Needs:
    """What a stage takes in float32."""
    made = prepare(stage)
    return needs.needs_of(made.call, made.facts, 4)


def test_each_pass_of_the_denoiser_takes_as_much(bench: Bench) -> None:
    once, guided = (foreseen(bench.stage("sd15", guidance_scale=scale)).denoising for scale in (1.0, 3.0))
    assert (guided, foreseen(bench.stage("sd15", pag_scale=2.0)).denoising) == (2 * once, 3 * once)


def test_every_frame_of_a_clip_becomes_a_picture(bench: Bench) -> None:
    stage = bench.stage("wan21", size=Size(32, 32), num_frames=9)
    assert foreseen(stage).pictures == 9 * 32 * 32 * 3 * 3 * 4  # three copies in float32


@pytest.mark.parametrize(("model", "tokens"), [("sd3", 77 + 256), ("flux", 512)])
def test_tokens_of_a_text_go_through_a_transformer_with_those_of_the_picture(
    bench: Bench, model: str, tokens: int
) -> None:
    small, large = (foreseen(bench.stage(model, size=Size(side, side))).denoising for side in (32, 64))
    assert small * (16 + tokens) == large * (4 + tokens)


def test_a_text_of_a_unet_takes_as_much_at_every_size(bench: Bench) -> None:
    width = json.loads((bench.folder("sd15") / "unet" / "config.json").read_text())["cross_attention_dim"]
    small, large = (foreseen(bench.stage("sd15", size=Size(side, side))).denoising for side in (128, 256))
    assert 4 * small - large == 3 * (2 * 3 * 77 * width * 4)  # guided; repeated, joined and read; in float32


def test_latents_that_are_too_many_are_refused_as_such(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "all_memory", lambda device: SMALL)
    given = Latents(torch.zeros(2_000, 4, 8, 8), SPACES["sd"], Noise(3.0, "vp"))
    with pytest.raises(ModelError, match=r"Give fewer latents at once") as refused:
        prepare(bench.stage("sd15", size=None), Given((given,)))
    assert refused.value.option == "image_seeds"


def test_a_scheduler_that_remembers_more_keeps_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "all_memory", lambda device: SMALL)
    many = {"batch_size": 400, "num_inference_steps": 200, "window": Window(None, 0.9)}
    prepare(bench.stage("sd15", scheduler="DDIMScheduler", **many))
    with pytest.raises(ModelError, match="the steps that are kept"):
        prepare(bench.stage("sd15", scheduler="PNDMScheduler", **many))


def test_slices_and_tiles_of_the_vae_take_less(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr(needs, "all_memory", lambda device: SMALL)
    stage = bench.stage("sd15", batch_size=300, num_inference_steps=1)
    with pytest.raises(ModelError, match="for the pictures"):
        prepare(stage)
    for switch in ("vae_slicing", "vae_tiling"):
        assert prepare(replace(stage, model=replace(stage.model, **{switch: True}))).mode == "txt2img"


def test_seeds_that_do_not_fit_together_run_in_halves(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_latents.engine.observer import Silent

    stages = [bench.stage("sd15", seed=seed, batch_seeds=True, num_inference_steps=1) for seed in range(4)]
    most = needs.needs_of(prepare(stages[0]).call, prepare(stages[0]).facts, 4).at_once * 5 // 2
    monkeypatch.setattr(needs, "all_memory", lambda device: most)
    told: list[str] = []
    observer = Silent()
    monkeypatch.setattr(observer, "note", lambda text, **_: told.append(text), raising=False)
    assert len(list(bench.engine.run_together(stages, observer))) == 4
    assert sum("in halves" in text for text in told) == 1


PEAK = """
import sys
from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.rules import needs
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage, Window

name, batch, side, steps, end = sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])
engine = LocalEngine()

def stage(batch, side, steps):
    return Stage(model=ModelSource(name), prompt=Prompt("a cat"), seed=1, num_inference_steps=steps, guidance_scale=3.0,
                 size=Size(side, side), batch_size=batch, window=Window(None, end))

def said(word):
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith(word)).split()[1]) * 1024

engine.run(stage(1, 64, 4))
before = said("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
engine.run(stage(batch, side, steps))
plan = prepare(stage(batch, side, steps))
done = plan.span.end - plan.span.start
foreseen = needs.needs_of(plan.call, plan.facts, 4, done, needs._remembered(plan.scheduler)).at_once
print((said("VmHWM") - before) / foreseen)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads peaks where Linux tells them")
@pytest.mark.parametrize(
    ("model", "batch", "side", "steps", "end"),
    [("sd15", 1000, 64, 2, 1.0), ("sd15", 1000, 64, 20, 0.9), ("sdxl", 500, 64, 2, 1.0), ("flux", 100, 128, 2, 1.0),
     ("demo/scenes", 200, 64, 2, 0.5), ("demo/scenes", 200, 64, 2, 1.0), ("demo/flow", 100, 64, 3, 1.0)],
)  # fmt: skip
def test_what_a_stage_takes_is_what_is_foreseen(
    bench: Bench, model: str, batch: int, side: int, steps: int, end: float
) -> None:
    name = model if "/" in model else str(bench.folder(model))
    command = [sys.executable, "-c", PEAK, name, *map(str, (batch, side, steps, end))]
    returned = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_ARENA_MAX": "1"}  # what is freed goes back at once
    finished = subprocess.run(
        command, env=os.environ | returned, capture_output=True, text=True, timeout=300, check=True
    )
    assert 0.7 < float(finished.stdout.split()[-1]) < 1.6
