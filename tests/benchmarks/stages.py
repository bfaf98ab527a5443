"""Stages against plain diffusers, and cells against cells, on the demo model."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

from jupyter_latents.engine.observer import Silent, StepEvent

STEPS = 20
PROMPT = "a beautiful sunset over the mountains"
CELL = f'demo/scenes\n--prompts "{PROMPT}"\n--seeds 7 --inference-steps {STEPS} --guidance-scales 4\n'


class Previewing(Silent):
    """Asks for a preview after each step, as the live view does."""

    def step(self, event: StepEvent) -> None:
        """Makes the preview."""
        event.preview()


def plain_pipeline() -> Any:
    """The demo model as diffusers loads it."""
    import torch
    from diffusers import StableDiffusionPipeline

    from jupyter_latents import demo

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = StableDiffusionPipeline.from_pretrained(demo.path("demo/scenes"), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def against_diffusers() -> dict[str, Callable[[], object]]:
    """The same picture made by plain diffusers, by the engine, and by the engine with a preview on each step."""
    import torch

    from jupyter_latents.engine.calls import Inputs
    from jupyter_latents.engine.engine import Engine
    from jupyter_latents.stage import ModelSource, Prompt, Stage

    pipeline, engine = plain_pipeline(), Engine()
    stage = Stage(
        model=ModelSource("demo/scenes"),
        prompt=Prompt(PROMPT),
        seed=7,
        num_inference_steps=STEPS,
        guidance_scale=4.0,
    )

    def plainly() -> object:
        generator = torch.Generator().manual_seed(7)
        return pipeline(PROMPT, num_inference_steps=STEPS, guidance_scale=4.0, generator=generator).images

    def engine_run(observer: Silent) -> object:
        result = engine.run(stage, Inputs(), observer)
        if result.evaluations != STEPS:
            raise RuntimeError(f"{result.evaluations} evaluations instead of {STEPS}")
        return result

    return {
        "diffusers": plainly,
        "engine": lambda: engine_run(Silent()),
        "with previews": lambda: engine_run(Previewing()),
    }


def cells() -> list[tuple[str, float, int]]:
    """Cells of one session in order: what each is, its seconds and its model evaluations."""
    from jupyter_latents.session import Session, Task
    from jupyter_latents.syntax import Script

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
    }.items():
        start = time.perf_counter()
        run = session.start(Task(Script(text, first_line=2)), Silent())
        run.wait()
        if run.error is not None:
            raise run.error
        rows.append((name, time.perf_counter() - start, run.model_evaluations))
    return rows
