"""Stages against plain diffusers, and cells against cells."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_latents import demo
from jupyter_latents.engine.observer import Silent, StepEvent
from tests.benchmarks.models import plain_pipeline

STEPS = 20
PROMPT = "a beautiful sunset over the mountains"
CELL = f'demo/scenes\n--prompts "{PROMPT}"\n--seeds 7 --inference-steps {STEPS} --guidance-scales 4\n'
RATE = 0.2  # seconds between two previews, as in the live view


@dataclass
class Previewing(Silent):
    """Asks for previews as often as the live view does.

    Attributes:
        every: Seconds between two.
    """

    every: float = RATE
    _last: float = 0.0

    def step(self, event: StepEvent) -> None:
        """Makes the preview when it is due, and its JPEG."""
        from jupyter_latents.display.images import jpeg, montage

        if time.monotonic() - self._last >= self.every:
            self._last = time.monotonic()
            jpeg(montage(event.preview()), 256)


def against_diffusers(model: str, steps: int = STEPS) -> dict[str, Callable[[], object]]:
    """The same picture by plain diffusers and by the engine: without previews, with five a second, with all."""
    import torch

    from jupyter_latents.engine.calls import Inputs
    from jupyter_latents.engine.engine import Engine
    from jupyter_latents.stage import ModelSource, Prompt, Stage

    folder = demo.path(model) if model.startswith("demo/") else Path(model)
    pipeline: Any = plain_pipeline(folder)
    engine = Engine()
    stage = Stage(
        model=ModelSource(model), prompt=Prompt(PROMPT), seed=7, num_inference_steps=steps, guidance_scale=4.0
    )

    def plainly() -> object:
        generator = torch.Generator().manual_seed(7)
        return pipeline(PROMPT, num_inference_steps=steps, guidance_scale=4.0, generator=generator).images

    def engine_run(observer: Silent) -> object:
        result = engine.run(stage, Inputs(), observer)
        if result.evaluations != steps:
            raise RuntimeError(f"{result.evaluations} evaluations instead of {steps}")
        return result

    return {
        "diffusers": plainly,
        "engine": lambda: engine_run(Silent()),
        "engine, 5 previews/s": lambda: engine_run(Previewing()),
        "engine, every preview": lambda: engine_run(Previewing(0.0)),
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
        session.memo.clear()
        start = time.perf_counter()
        evaluations = 0
        for text in splits:
            evaluations += run_script(
                session, text.replace("--into", "--force --into") if naive else text
            ).model_evaluations
        rows[name] = (time.perf_counter() - start, evaluations)
    return rows
