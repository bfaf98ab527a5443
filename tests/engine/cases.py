"""Stages on tiny models, run and split: what the tests of the engine share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.result import StageResult
from jupyter_latents.errors import WindowError
from jupyter_latents.latents import Latents
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage, Window

SCHEDULERS = (
    "CMStochasticIterativeScheduler",
    "CogVideoXDDIMScheduler",
    "DDIMInverseScheduler",
    "DDIMParallelScheduler",
    "DDIMScheduler",
    "DDPMParallelScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepInverseScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverSinglestepScheduler",
    "EDMDPMSolverMultistepScheduler",
    "EDMEulerScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "IPNDMScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "SASolverScheduler",
    "TCDScheduler",
    "UniPCMultistepScheduler",
)
"""Schedulers that diffusers' Stable Diffusion pipelines can step."""

FLOW_SCHEDULERS = (
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "FlowMatchLCMScheduler",
    "DPMSolverMultistepScheduler;use_flow_sigmas=true;prediction_type=flow_prediction",
    "UniPCMultistepScheduler;use_flow_sigmas=true;prediction_type=flow_prediction",
)
"""The same for the flow-matching families; which family takes which is diffusers' to say."""

PROMPT = "a red cat on a mountain"
MODES = ("txt2img", "img2img", "inpaint")


def picture(side: int = 64) -> Image.Image:
    """A picture with colours in all places."""
    values = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC)


def mask(side: int = 64) -> Image.Image:
    """Its lower half."""
    return Image.fromarray(((np.indices((side, side))[0] >= side // 2) * 255).astype(np.uint8))


def inputs(mode: str = "txt2img", *latents: Latents) -> Inputs:
    """The image seed of a mode: nothing, a picture, a picture and its mask."""
    images = () if mode == "txt2img" else (picture(),)
    return Inputs(tuple(latents), images, (mask(),) if mode == "inpaint" else ())


def windows(*cuts: float) -> list[Window]:
    """Windows that tile the schedule between `cuts`: ``windows(0.5)`` is 0 to 0.5 and 0.5 to 1."""
    edges = (None, *cuts, None)
    return [Window(*pair) for pair in pairwise(edges)]


def in_memory(latents: Latents, folder: Path) -> Latents:
    """Hands the value over as it is."""
    return latents


def through_file(latents: Latents, folder: Path) -> Latents:
    """Hands over what a ``.safetensors`` file gives back."""
    return Latents.load(latents.save(folder / "handed-over.safetensors"))


@dataclass(frozen=True)
class Bench:
    """An engine and a place for files.

    Attributes:
        engine: Its models stay loaded from test to test.
        folder: Tiny model by family name to its diffusers folder.
        scratch: Where files go.
    """

    engine: LocalEngine
    folder: Callable[[str], Path]
    scratch: Path
    wholes: dict[Any, StageResult] = field(default_factory=dict)

    def stage(self, model: str, **options: Any) -> Stage:
        """A stage at 64 pixels, ten steps, seed 7, guidance on; `model` is a tiny family, a demo model or a folder."""
        name = model if "/" in model else str(self.folder(model))
        settings = {"seed": 7, "num_inference_steps": 10, "guidance_scale": 3.0, "size": Size(64, 64), **options}
        if isinstance(settings.pop("mode", None), str):
            raise TypeError("the mode follows from the inputs")
        return Stage(model=ModelSource(name), prompt=Prompt(PROMPT), **settings)

    def run(self, model: str, mode: str = "txt2img", *latents: Latents, **options: Any) -> StageResult:
        """Runs one stage."""
        return self.engine.run(self.stage(model, **options), inputs(mode, *latents))

    def whole(self, model: str, mode: str = "txt2img", **options: Any) -> StageResult:
        """The unsplit run, made once."""
        key = (
            model,
            mode,
            torch.backends.mkldnn.enabled,
            *sorted((name, repr(value)) for name, value in options.items()),
        )
        if key not in self.wholes:
            self.wholes[key] = self.run(model, mode, **options)
        return self.wholes[key]

    def split(
        self,
        model: str,
        cuts: Sequence[float],
        mode: str = "txt2img",
        carry: Callable[[Latents, Path], Latents] = in_memory,
        **options: Any,
    ) -> list[StageResult]:
        """The same run in several windows, latents carried from one to the next; one without a step is passed over."""
        made: list[StageResult] = []
        for window in windows(*cuts):
            if made and made[-1].latents.is_clean:
                break
            given = [carry(made[-1].latents, self.scratch)] if made else []
            with suppress(WindowError):
                part = window if made else Window(None, window.end)
                made.append(self.run(model, mode, *given, window=part, **options))
        return made


def equal(first: StageResult | Latents, second: StageResult | Latents) -> bool:
    """Whether two results have the same latents, bit for bit."""
    tensors = [(value.latents if isinstance(value, StageResult) else value).tensor for value in (first, second)]
    return torch.equal(*tensors)


def relative(first: torch.Tensor, second: torch.Tensor) -> float:
    """Relative L2 difference."""
    return float((first.double() - second.double()).norm() / second.double().norm())


def plain(
    folder: Path, class_name: str | None = None, scheduler: Any = None, dtype: torch.dtype = torch.float32
) -> Any:
    """A plain diffusers pipeline of the same files: the reference."""
    import diffusers

    kind = getattr(diffusers, class_name) if class_name else diffusers.DiffusionPipeline
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = kind.from_pretrained(folder, dtype=dtype, local_files_only=True, safety_checker=None)
    if scheduler is not None:
        pipeline.scheduler = scheduler
    pipeline.set_progress_bar_config(disable=True)
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    return pipeline
