"""Old settings of a scheduler: the model runs as its own pipeline runs it, and what a stage asks for it gets."""

from __future__ import annotations

import json
import shutil
from inspect import signature
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from jupyter_latents.engine.models.families import FAMILIES
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.schedule.outdated import MENDED
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage
from tests.engine.cases import Bench, inputs, plain

pytestmark = pytest.mark.filterwarnings("ignore:.*:FutureWarning")

OLD = {
    "offset": {"steps_offset": 0},
    "clips": {"_class_name": "DDIMScheduler", "clip_sample": True, "steps_offset": 1},
    "unwritten": {"_class_name": "DDIMScheduler", "steps_offset": None, "clip_sample": None},
}
ASKED = {
    "": {},
    "DDIMScheduler": {},
    "DDIMScheduler;steps-offset=0": {"steps_offset": 0},
    "DDIMScheduler;clip-sample=true": {"clip_sample": True},
    "EulerDiscreteScheduler;steps-offset=3": {"steps_offset": 3},
}


def old(bench: Bench, folder: Path, settings: dict[str, Any]) -> Path:
    """The tiny Stable Diffusion with other settings of its scheduler; None takes one out."""
    shutil.copytree(bench.folder("sd15"), folder)
    file, index = folder / "scheduler" / "scheduler_config.json", folder / "model_index.json"
    written = {**json.loads(file.read_text("utf-8")), **settings}
    file.write_text(json.dumps({name: value for name, value in written.items() if value is not None}), "utf-8")
    rows = json.loads(index.read_text("utf-8"))
    index.write_text(json.dumps({**rows, "scheduler": ["diffusers", written["_class_name"]]}), "utf-8")
    return folder


def stage(folder: Path, scheduler: str = "") -> Stage:
    return Stage(
        model=ModelSource(str(folder)), prompt=Prompt("a fox"), size=Size(64, 64), seed=7, num_inference_steps=4,
        guidance_scale=1.0, scheduler=scheduler or None,
    )  # fmt: skip


QUICK = {
    ("offset", ""),
    ("offset", "DDIMScheduler"),
    ("offset", "DDIMScheduler;steps-offset=0"),
    ("clips", ""),
    ("clips", "DDIMScheduler;clip-sample=true"),
    ("unwritten", "EulerDiscreteScheduler;steps-offset=3"),
}
CASES = [
    pytest.param(name, asked, marks=() if (name, asked) in QUICK else pytest.mark.slow)
    for name in OLD
    for asked in ASKED
]


@pytest.mark.parametrize(("name", "asked"), CASES)
def test_an_old_model_runs_as_its_pipeline_runs_it(bench: Bench, tmp_path: Path, name: str, asked: str) -> None:
    folder = old(bench, tmp_path / "old", OLD[name])
    pipeline = plain(folder)
    if asked:
        swapped = getattr(diffusers, asked.partition(";")[0])
        mended = {"steps_offset": 1}  # diffusers forgets it where it was not written
        mended |= {} if "Euler" in asked else {"clip_sample": False}
        pipeline.scheduler = swapped.from_config(pipeline.scheduler.config, **{**mended, **ASKED[asked]})
    wanted = pipeline(
        "a fox", num_inference_steps=4, guidance_scale=1.0, width=64, height=64, output_type="latent",
        generator=torch.Generator().manual_seed(7),
    ).images  # fmt: skip
    made = bench.engine.run(stage(folder, asked), inputs()).latents
    assert torch.equal(made.tensor, wanted)


def test_what_is_mended_is_told(bench: Bench, tmp_path: Path) -> None:
    folder = old(bench, tmp_path / "old", OLD["offset"])
    told = "the model's scheduler is of an old kind: its pipeline takes steps_offset 1 and not 0"
    assert told in prepare(stage(folder)).notes
    assert not any("old kind" in note for note in prepare(stage(folder, "PNDMScheduler;steps-offset=0")).notes)
    assert not any("old kind" in note for note in prepare(bench.stage("sd15")).notes)
    for one in ("LCMScheduler", "DPMSolverMultistepScheduler;timestep-spacing=linspace"):  # where it changes nothing
        assert not any("old kind" in note for note in prepare(stage(folder, one)).notes)


MADE_OF_NOTHING = sorted(
    {*MENDED, *(name for family in FAMILIES for name in family.made_as)} - {"HunyuanVideo15Pipeline"}
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in MENDED else pytest.mark.slow) for name in MADE_OF_NOTHING]
)
def test_the_table_says_what_pipelines_mend(name: str) -> None:
    made = getattr(diffusers, name)
    parts = dict.fromkeys(
        signature(made.__init__).parameters.keys() - {"self", "requires_safety_checker", "pag_applied_layers"}
    )
    changed = {}
    for kind in (diffusers.DDIMScheduler, diffusers.PNDMScheduler, diffusers.EulerDiscreteScheduler):
        probe = kind(**{"clip_sample": True} if kind is diffusers.DDIMScheduler else {})
        before = dict(probe.config)
        made(**{**parts, "scheduler": probe})
        changed |= {key: value for key, value in probe.config.items() if key in before and before[key] != value}
    assert changed == dict(MENDED.get(name, {}))
