"""Prints what each ``--optimize`` does to results and speed: ``python -m tests.benchmarks.optimizations``.

On the demo models: whether the split law holds, the relative L2 error of the last latents against the plain run over
several prompts, and the speed of a whole run. On larger blocks with random weights: the speed of the denoiser alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.models.optimize import WAYS, has_step_cache, optimized, step_cache
from jupyter_latents.errors import ModelError
from jupyter_latents.optimizations import OPTIMIZATIONS, choices_of
from jupyter_latents.stage import ModelSource, Prompt, Stage, Window
from tests.benchmarks.measure import interleaved, ratio

CHOICES = (*OPTIMIZATIONS, "taylorseer compile")
CLOCK = time.process_time
"""One thread does the work, and its own time does not grow when other programs use the machine."""

VARIED = ("taylorseer;interval=2", "taylorseer;interval=4", "taylorseer;order=2")
PROMPTS = (
    "a beautiful sunset over the mountains", "a starry night above the sea", "the desert at noon, no clouds",
    "a forest in a storm", "snowy fields at dawn", "green hills on a sunny day, some clouds",
)  # fmt: skip


def stage(model: str, number: int, steps: int, choices: tuple[str, ...] = ()) -> Stage:
    """A stage of a demo model."""
    source = ModelSource(model, optimize=choices)
    return Stage(
        model=source, prompt=Prompt(PROMPTS[number]), seed=number, num_inference_steps=steps, guidance_scale=4.0
    )


def keeps_law(engine: LocalEngine, whole: Stage, expected: torch.Tensor) -> bool:
    """Whether a run in two windows ends where the whole one ends."""
    base = engine.run(replace(whole, window=Window(None, 0.5))).latents
    rest = engine.run(replace(whole, window=Window(0.5, None)), Inputs((base,))).latents
    return torch.equal(rest.tensor, expected)


def on_demo_models(steps: int, repeats: int) -> Iterator[str]:
    """A line for each demo model and choice."""
    engine = LocalEngine()
    for model in ("demo/scenes", "demo/flow"):
        plain = [engine.run(stage(model, number, steps)).latents.tensor for number in range(len(PROMPTS))]
        for text in (*CHOICES, *VARIED):
            choices = tuple(text.split())
            stages = [stage(model, number, steps, choices) for number in range(len(PROMPTS))]
            try:
                made = [engine.run(one).latents.tensor for one in stages]
            except ModelError:
                continue
            errors = [float((one - other).norm() / other.norm()) for one, other in zip(made, plain, strict=True)]
            law = "kept" if keeps_law(engine, stages[0], made[0]) else "not kept"
            cases = {"plain": partial(engine.run, stage(model, 0, steps)), text: partial(engine.run, stages[0])}
            measured = interleaved(cases, repeats, CLOCK)
            speed = ratio(measured["plain"], measured[text])
            yield f"| {model} | {text} | {law} | {statistics.median(errors):.1e} | {max(errors):.1e} | {speed} |"


def unet() -> tuple[Any, Callable[[Any, float], object]]:
    """Two levels of Stable Diffusion's U-Net, at 192 pixels with guidance."""
    from diffusers import UNet2DConditionModel

    made = UNet2DConditionModel(
        block_out_channels=(320, 640), layers_per_block=1, cross_attention_dim=768, attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    noise, text = torch.randn(2, 4, 24, 24), torch.randn(2, 77, 768)
    return made.eval(), lambda module, time: module(noise * time, torch.tensor(time * 1000), text)


def flux() -> tuple[Any, Callable[[Any, float], object]]:
    """Eight blocks of Flux at half its width, at 256 pixels."""
    from diffusers import FluxTransformer2DModel

    made = FluxTransformer2DModel(
        num_layers=2, num_single_layers=6, num_attention_heads=12, joint_attention_dim=512, pooled_projection_dim=256,
    )  # fmt: skip
    noise, other = torch.randn(1, 256, 64), torch.randn(1, 256, 64)
    text, pooled = torch.randn(1, 128, 512), torch.randn(1, 256)
    ids = torch.stack(torch.meshgrid(torch.zeros(1), torch.arange(16.0), torch.arange(16.0), indexing="ij"), -1)

    def call(module: Any, time: float) -> object:
        return module(
            hidden_states=noise * time + other * (1 - time), timestep=torch.tensor([time]), guidance=torch.ones(1),
            encoder_hidden_states=text, pooled_projections=pooled, txt_ids=torch.zeros(128, 3),
            img_ids=ids.reshape(-1, 3),
        )  # fmt: skip

    return made.eval(), call


def steps_of(module: Any, call: Callable[[Any, float], object], steps: int, *, cached: bool) -> Callable[[], None]:
    """So many calls of a denoiser, as a run makes them."""

    def run() -> None:
        with torch.no_grad(), step_cache(module) if cached else nullcontext():
            for step in range(steps):
                call(module, 1 - step / steps)

    return run


def on_larger_blocks(steps: int, repeats: int) -> Iterator[str]:
    """A line for each block and choice."""
    for build in (unet, flux):
        torch.manual_seed(0)
        plain, call = build()
        for text in CHOICES:
            choices = choices_of(text.split())
            name = type(plain).__name__
            if any(WAYS[choice.row.name].classes and name not in WAYS[choice.row.name].classes for choice in choices):
                continue
            torch.manual_seed(0)
            module = optimized(build()[0], choices, name)
            cases = {
                "plain": steps_of(plain, call, steps, cached=False),
                text: steps_of(module, call, steps, cached=has_step_cache(choices)),
            }
            measured = interleaved(cases, repeats, CLOCK)
            size = sum(tensor.numel() * tensor.element_size() for tensor in module.parameters()) / 1e6
            yield f"| {build.__name__} | {text} | {size:.0f} MB | {ratio(measured['plain'], measured[text])} |"


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that count")
    parser.add_argument("--steps", type=int, default=24, help="steps of a run; half as many on the larger blocks")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| model | --optimize | split law | error, median | worst | speed |\n|---|---|---|---|---|---|")
    for line in on_demo_models(arguments.steps, arguments.repeats):
        print(line, flush=True)
    print("\n| blocks | --optimize | weights | speed |\n|---|---|---|---|", flush=True)
    for line in on_larger_blocks(arguments.steps // 2, max(2, arguments.repeats // 2)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
