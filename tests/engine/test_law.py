"""The split law: a run in several windows ends where the whole run ends, bit for bit.

The reference is the unsplit run; that it is diffusers' own is shown in ``test_plain_diffusers.py``. All variants of all
schedulers: ``python -m tests.tables.split_law``.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

from jupyter_latents.latents import Latents
from jupyter_latents.stage import Size, Window
from tests.engine.cases import SCHEDULERS, Bench, equal, in_memory, through_file, windows
from tests.latents.strategies import same_state
from tests.warm import Command

CUTS = [(0.2,), (0.5,), (0.8,), (0.3, 0.6)]
FEW = [(0.3, 0.6)]  # its middle is cut by `test_every_step_of_a_run_is_the_end_of_a_shorter_one`
FILED = ("DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverSDEScheduler")
"""A multistep history, a random stream, a Brownian tree."""


@pytest.mark.parametrize("cuts", FEW, ids=str)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_windows_end_where_the_whole_run_ends(bench: Bench, scheduler: str, cuts: tuple[float, ...]) -> None:
    """Wherever a run is cut; here twice, and in its middle below."""
    check_windows(bench, scheduler, cuts)


@pytest.mark.slow
@pytest.mark.parametrize("cuts", [cuts for cuts in CUTS if cuts not in FEW], ids=str)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_windows_in_full(bench: Bench, scheduler: str, cuts: tuple[float, ...]) -> None:
    check_windows(bench, scheduler, cuts)


def check_windows(bench: Bench, scheduler: str, cuts: tuple[float, ...]) -> None:
    whole = bench.whole("sd15", scheduler=scheduler)
    parts = bench.split("sd15", cuts, scheduler=scheduler)
    assert equal(parts[-1], whole)
    assert sum(part.evaluations for part in parts) == whole.evaluations == whole.span.timesteps


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_file_gives_back_all_that_a_run_goes_on_from(bench: Bench, scheduler: str) -> None:
    """So what holds through memory holds through a file; runs through files below: three here, all under ``slow``."""
    given = bench.whole("sd15", scheduler=scheduler, window=Window(None, 0.5)).latents
    found = through_file(given, bench.scratch)
    assert same_state(found.tensor, given.tensor)
    assert (found.space, found.noise, found.position) == (given.space, given.noise, given.position)
    assert found.provenance == given.provenance
    assert found.resume is not None
    assert same_state(found.resume.scheduler, given.resume.scheduler)
    assert same_state(found.resume.generator, given.resume.generator)


@pytest.mark.parametrize("cuts", [(0.5,), (0.3, 0.6)], ids=str)
@pytest.mark.parametrize("scheduler", FILED)
def test_windows_through_files_end_where_the_whole_run_ends(
    bench: Bench, scheduler: str, cuts: tuple[float, ...]
) -> None:
    whole = bench.whole("sd15", scheduler=scheduler)
    assert equal(bench.split("sd15", cuts, carry=through_file, scheduler=scheduler)[-1], whole)


@pytest.mark.slow
@pytest.mark.parametrize("cuts", CUTS, ids=str)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_windows_through_files_in_full(bench: Bench, scheduler: str, cuts: tuple[float, ...]) -> None:
    test_windows_through_files_end_where_the_whole_run_ends(bench, scheduler, cuts)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_step_of_a_run_is_the_end_of_a_shorter_one(bench: Bench, scheduler: str) -> None:
    """``base.at(f)`` needs no second run: a window that ends at f ends there too."""
    whole = bench.whole("sd15", scheduler=scheduler).latents
    short = bench.run("sd15", scheduler=scheduler, window=Window(None, 0.5)).latents
    assert equal(whole.at(0.5), short)
    assert equal(bench.run("sd15", "txt2img", whole.at(0.5), scheduler=scheduler), whole)


@pytest.mark.parametrize("scheduler", [*FILED, "HeunDiscreteScheduler", "PNDMScheduler"])
def test_the_demo_model_keeps_the_law(bench: Bench, scheduler: str) -> None:
    """Trained weights, for each kind of history; every scheduler below, in full."""
    options = {"scheduler": scheduler, "size": Size(128, 128), "num_inference_steps": 4}
    whole = bench.whole("demo/scenes", **options)
    assert equal(bench.split("demo/scenes", [0.5], carry=through_file, **options)[-1], whole)


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_demo_model_keeps_the_law_in_full(bench: Bench, scheduler: str) -> None:
    """In full on demand: ``make test PYTEST_ARGS='-m slow'``."""
    options = {"scheduler": scheduler, "size": Size(128, 128), "num_inference_steps": 10}
    whole = bench.whole("demo/scenes", **options)
    for cuts in ([0.2], [0.5], [0.8], [0.3, 0.7]):
        for carry in (in_memory, through_file):
            assert equal(bench.split("demo/scenes", cuts, carry=carry, **options)[-1], whole), (cuts, carry.__name__)


def test_cooperating_models_share_the_history(bench: Bench) -> None:
    """Another model with the same schedule goes on from where the first is, with its solver's history."""
    options = {"scheduler": "DPMSolverMultistepScheduler", "size": Size(128, 128), "num_inference_steps": 4}
    first, second = windows(0.5)
    base = bench.run("demo/scenes", window=first, **options).latents
    last = bench.run("demo/paper", "txt2img", base, window=second, **options).latents
    bare = bench.run("demo/paper", "txt2img", base.replace(resume=None), window=second, **options).latents
    assert not equal(last, bare), "a second-order step without history is another step"
    assert last.provenance.seed == base.provenance.seed
    assert [step.position.step for step in last.trajectory] == [1, 2, 3, 4]


CONTINUE = """
import sys
import torch
from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.latents import Latents
from jupyter_latents.stage import ModelSource, Prompt, Stage

torch.set_num_threads(1)
model, prompt, *files = sys.argv[1:]
engine = LocalEngine()
for file in files:
    latents = Latents.load(file)
    stage = Stage(
        model=ModelSource(model), prompt=Prompt(prompt), num_inference_steps=10, guidance_scale=3.0,
        scheduler=latents.provenance.options["scheduler"],
    )
    engine.run(stage, Inputs((latents,))).latents.save(file + ".final.safetensors")
"""


def test_a_new_process_continues_exactly(bench: Bench, tmp_path: Path, warm: Command) -> None:
    """A multistep history, a random stream, a Brownian tree: all from the file."""
    from tests.engine.cases import PROMPT

    names = ("DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverSDEScheduler", "PNDMScheduler")
    files = []
    for name in names:
        base = bench.run("sd15", scheduler=name, window=Window(None, 0.5)).latents
        files.append(str(base.save(tmp_path / f"{name}.safetensors")))
    command = warm("-c", CONTINUE, str(bench.folder("sd15")), PROMPT, *files)
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    for name, file in zip(names, files, strict=True):
        assert equal(Latents.load(f"{file}.final.safetensors"), bench.whole("sd15", scheduler=name).latents), name


@pytest.mark.parametrize("scheduler", ["EulerAncestralDiscreteScheduler", "DDPMScheduler", "LCMScheduler"])
def test_without_the_random_stream_a_stochastic_split_would_differ(bench: Bench, scheduler: str) -> None:
    """Why the generator travels."""
    base = bench.run("sd15", scheduler=scheduler, window=Window(None, 0.5)).latents
    assert not equal(
        bench.run("sd15", "txt2img", base.replace(resume=None), scheduler=scheduler),
        bench.whole("sd15", scheduler=scheduler),
    )


def test_latents_without_history_go_on_and_say_so(bench: Bench) -> None:
    from tests.engine.cases import inputs
    from tests.engine.schedule.test_handover import Notes

    base = bench.run("sd15", scheduler="UniPCMultistepScheduler", window=Window(None, 0.5)).latents
    notes = Notes()
    stage = bench.stage("sd15", scheduler="UniPCMultistepScheduler")
    last = bench.engine.run(stage, inputs("txt2img", base.replace(resume=None)), notes)
    assert last.latents.is_clean
    assert any("without history" in note for note in notes.notes)


def test_a_run_leaves_the_global_random_stream_alone(bench: Bench) -> None:
    for name in ("DDPMScheduler", "DPMSolverSDEScheduler"):
        before = torch.get_rng_state()
        bench.run("sd15", scheduler=name)
        assert torch.equal(torch.get_rng_state(), before)
    before = torch.get_rng_state()
    bench.run("sd3", scheduler="FlowMatchLCMScheduler")
    assert torch.equal(torch.get_rng_state(), before), "flow pipelines pass no generator to their scheduler"
