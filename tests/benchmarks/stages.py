"""Stages against plain diffusers, and cells against cells."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents import demo
from jupyter_latents.engine.observer import Observer, Silent
from jupyter_latents.stage import ModelSource, Prompt, Stage
from tests.benchmarks.models import plain_pipeline

if TYPE_CHECKING:
    from jupyter_latents.display.view import RunView

STEPS = 20
PROMPT = "a beautiful sunset over the mountains"
CELL = f'demo/scenes\n--prompts "{PROMPT}"\n--seeds 7 --inference-steps {STEPS} --guidance-scales 4\n'


def watched(preview_every: int | None) -> RunView:
    """The notebook's own view of a run, with a stage begun; None is its default rate of previews."""
    from jupyter_latents.display.view import RunView

    view = RunView(preview_every)
    view.stage(0, Stage(model=ModelSource("")), "")
    return view


def against_diffusers(model: str, steps: int = STEPS) -> dict[str, Callable[[], object]]:
    """The same picture by plain diffusers and by the engine: alone, watched by the notebook's view, all previewed."""
    import torch

    from jupyter_latents.engine.given.inputs import Inputs
    from jupyter_latents.engine.local import LocalEngine

    folder = demo.path(model) if model.startswith("demo/") else Path(model)
    pipeline: Any = plain_pipeline(folder)
    engine = LocalEngine()
    stage = Stage(
        model=ModelSource(model), prompt=Prompt(PROMPT), seed=7, num_inference_steps=steps, guidance_scale=4.0
    )

    def plainly() -> object:
        generator = torch.Generator().manual_seed(7)
        return pipeline(PROMPT, num_inference_steps=steps, guidance_scale=4.0, generator=generator).images

    def engine_run(observer: Observer) -> object:
        result = engine.run(stage, Inputs(), observer)
        if result.evaluations != steps:
            raise RuntimeError(f"{result.evaluations} evaluations instead of {steps}")
        return result

    return {
        "diffusers": plainly,
        "engine": lambda: engine_run(Silent()),
        "engine, watched": lambda: engine_run(watched(None)),
        "engine, every preview": lambda: engine_run(watched(1)),
    }


def run_script(session: Any, text: str) -> Any:
    """Runs a script in a session; gives its run."""
    from jupyter_latents.session import Task
    from jupyter_latents.syntax import Script

    run = session.start(Task(Script(text, first_line=2)), Silent())
    run.wait()
    if run.error is not None:
        raise run.error
    return run


def cells() -> list[tuple[str, float, int]]:
    """Cells of one session in order: what each is, its seconds and its model evaluations."""
    from jupyter_latents.session import Session

    session = Session()
    rows = []
    for name, text in {
        "first cell (imports, loading)": f"{CELL}--denoising-end 0.8 --into base",
        "second cell, other seed": f"{CELL.replace('--seeds 7', '--seeds 8')}--denoising-end 0.8 --into other",
        "first cell again, unchanged": f"{CELL}--denoising-end 0.8 --into base",
        "the same, ending at 1 instead of 0.8": f"{CELL}--into whole",
        "other model, parts shared": (
            f'demo/paper\n--prompts "clouds"\n--inference-steps {STEPS} --image-seeds "latents: base" --into final'
        ),
        "the last again, unchanged": (
            f'demo/paper\n--prompts "clouds"\n--inference-steps {STEPS} --image-seeds "latents: base" --into final'
        ),
    }.items():
        start = time.perf_counter()
        run = run_script(session, text)
        rows.append((name, time.perf_counter() - start, run.model_evaluations))
    return rows


def nine_splits() -> dict[str, tuple[float, int]]:
    """Nine splits of one run, each with its second stage: kept steps shared, and all run anew; seconds, evaluations."""
    from jupyter_latents.session import Session

    session = Session()
    run_script(session, CELL)
    run_script(session, 'demo/paper --prompts "clouds" --seeds 1 --inference-steps 1')
    splits = [
        f"{CELL}--denoising-end 0.{tenth} --into part\n\n"
        f'demo/paper --prompts "clouds" --inference-steps {STEPS} --image-seeds "latents: part" --into final\n\n'
        for tenth in range(1, 10)
    ]
    rows = {}
    for name, naive in (("a stage's kept steps shared", False), ("all run anew (--force)", True)):
        session.memo._kept.clear()
        start = time.perf_counter()
        evaluations = 0
        for text in splits:
            evaluations += run_script(
                session, text.replace("--into", "--force --into") if naive else text
            ).model_evaluations
        rows[name] = (time.perf_counter() - start, evaluations)
    return rows
