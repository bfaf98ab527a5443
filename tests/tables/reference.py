"""What is right: plain diffusers on the same weights, and in plain words the rules that are not diffusers' own.

Nothing here is imported from the package.
"""

from __future__ import annotations

import inspect
import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.engine.cases import mask, picture, plain
from tests.tables.pipelines import ALIGN, CLASSES, MODES, Size
from tests.tables.plain_run import scheduler_of
from tests.tables.rows import SEED, Row

__all__ = ["Expected", "PlainRun", "Reference", "expected", "plain_runs", "rule_size"]

FILE = Path(__file__).with_name("plan_and_run.json")
BY_TIMESTEPS = ("sdxl", "sdxl-refiner", "kolors")
"""Models whose fractions count training timesteps, as ``denoising_end`` of their own pipelines does."""

SECOND_ORDER = ("Heun", "KDPM2")
"""Schedulers whose step is two evaluations; diffusers' own window can end between them, ours never."""

STEPS_BETWEEN = ("EulerDiscreteScheduler",)
"""Schedulers that step only between the sigmas given; stages end clean, so a last sigma of 0 is added for these."""

LENT = "use_flow_sigmas"
"""Schedulers with this setting lack ``scale_noise`` and take sigmas as an array alone; here both are lent to them."""

TRAINED = {"kolors": 1100}
DEFAULT_STRENGTH = 0.8


@dataclass(frozen=True)
class PlainRun:
    """A call of a plain pipeline.

    Attributes:
        family: The model.
        mode: ``txt2img``, ``img2img`` or ``inpaint``.
        steps: ``num_inference_steps``.
        strength: ``strength``, None for text to image.
        size: ``width`` and ``height``, where the call takes them; None to leave them out.
        picture: Size of the picture given, None for text to image.
        scheduler: The scheduler swapped in, or None.
        end: ``denoising_end``, or None.
        sigmas: ``sigmas``, or empty.
    """

    family: str
    mode: str
    steps: int
    strength: float | None
    size: Size | None
    picture: Size | None
    scheduler: str | None = None
    end: float | None = None
    sigmas: tuple[float, ...] = ()

    def __str__(self) -> str:
        return json.dumps(list(vars(self).values()), separators=(",", ":"))


def asked_size(row: Row) -> Size | None:
    """The size asked for: the option's, else the picture's, resized by its width where its aspect is kept.

    Beside the option a picture that nothing resizes keeps its aspect, in multiples of 8.
    """
    if row.size:
        width, _, height = row.size.partition("x")
        if row.mode != "txt2img" and not row.resize:
            kept = row.picture[1] * int(width) // row.picture[0]
            return int(width), kept if kept == int(height or width) else max(8, kept // 8 * 8)
        return int(width), int(height or width)
    if row.mode == "txt2img":
        return None
    return resized(row)


def resized(row: Row) -> Size:
    """The picture's size after ``resize``."""
    words = row.resize.split(";")
    if not words[0]:
        return row.picture
    width, _, height = words[0].partition("x")
    if "aspect=false" in words:
        return int(width), int(height or width)
    return int(width), row.picture[1] * int(width) // row.picture[0]


def rule_size(row: Row) -> Size | None:
    """The size made: each side rounded down to what the pipeline can make, never to nothing; None for the default."""
    asked, align = asked_size(row), ALIGN[row.family]
    return None if asked is None else (max(align, asked[0] // align * align), max(align, asked[1] // align * align))


def plain_runs(row: Row) -> Iterator[PlainRun]:
    """The calls of plain pipelines that a row is compared with: the whole run, then SDXL's own window."""
    if not CLASSES[row.family][MODES.index(row.mode)]:
        return
    size, sigmas = rule_size(row), tuple(map(float, filter(None, row.sigmas.split(","))))
    sigmas += (0.0,) if sigmas and row.scheduler in STEPS_BETWEEN else ()
    if row.mode == "txt2img":
        whole = PlainRun(row.family, row.mode, row.steps, None, size, None, row.scheduler, None, sigmas)
    else:
        strength = _strength(row)
        # A picture that nothing resizes goes in as it is: what the pipeline makes of its size is then diffusers' own.
        given = size if row.size or row.resize else row.picture
        whole = PlainRun(row.family, row.mode, row.steps, strength, size, given, row.scheduler, None, sigmas)
    yield whole
    if row.end is not None and row.family in BY_TIMESTEPS and not (row.scheduler or "").startswith(SECOND_ORDER):
        yield replace(whole, end=row.end)


@contextmanager
def evaluations() -> Iterator[list[str]]:
    """Counts how often a denoiser is called, by whom it is."""
    called: list[str] = []

    def count(module: Any, _arguments: Any) -> None:
        name = type(module).__name__  # a Transformer2DModel by itself is a block of a U-Net
        if name.endswith(("Transformer2DModel", "UNet2DConditionModel")) and name != "Transformer2DModel":
            called.append(name)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(count)
    try:
        yield called
    finally:
        hook.remove()


class Reference:
    """Answers of plain diffusers, read from the committed file or asked anew.

    Args:
        folder: Model to its diffusers folder; None to know only what the file holds.
        anew: Whether the file is not read.
    """

    def __init__(self, folder: Callable[[str], Path] | None = None, *, anew: bool = False) -> None:
        self.folder, self.anew = folder, anew
        self._pipelines: dict[tuple[str, str], Any] = {}

    @cached_property
    def known(self) -> dict[str, Any]:
        """Call to answer."""
        return {} if self.anew else json.loads(FILE.read_text("utf-8"))["runs"]

    def __call__(self, run: PlainRun) -> Mapping[str, Any]:
        """The number of evaluations, the picture's size and the timesteps, or what it fails with."""
        if str(run) not in self.known:
            if self.folder is None:
                raise KeyError(f"{run} is not in {FILE.name}: make it anew")
            self.known[str(run)] = self._ask(run)
        return self.known[str(run)]

    def _pipeline(self, family: str, mode: str) -> Any:
        if (family, mode) not in self._pipelines:
            self._pipelines[family, mode] = plain(self.folder(family), CLASSES[family][MODES.index(mode)])
        return self._pipelines[family, mode]

    def _ask(self, run: PlainRun) -> dict[str, Any]:
        pipeline = self._pipeline(run.family, run.mode)
        own = pipeline.scheduler
        try:
            with warnings.catch_warnings(), evaluations() as called:
                warnings.simplefilter("ignore")
                made = scheduler_of(run.scheduler, own) if run.scheduler else type(own).from_config(own.config)
                pipeline.scheduler = made
                picture = pipeline(**_call(pipeline, run)).images[0]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is diffusers' own answer
            return {"fails": type(error).__name__}
        finally:
            pipeline.scheduler = own
        if not np.isfinite(picture).all():
            return {"fails": "NaN"}
        return {
            "evaluations": len(called),
            "size": [picture.shape[1], picture.shape[0]],
            "order": int(made.order),
            "timesteps": [round(float(timestep), 3) for timestep in made.timesteps],
        }


def _call(pipeline: Any, run: PlainRun) -> dict[str, Any]:
    accepted = inspect.signature(pipeline.__call__).parameters
    wanted: dict[str, Any] = {
        "prompt": "cat",
        "num_inference_steps": run.steps,
        "guidance_scale": 1.0,
        "true_cfg_scale": 1.0,
        "use_resolution_binning": False,
        "generator": torch.Generator().manual_seed(3),
        "output_type": "np",
    }
    if run.size is not None:
        wanted |= {"width": run.size[0], "height": run.size[1]}
    if run.picture is not None:
        wanted |= {"image": picture(64).resize(run.picture), "strength": run.strength}
    if run.mode == "inpaint" and run.picture is not None:
        wanted["mask_image"] = mask(64).resize(run.picture)
    if run.sigmas:
        wanted["sigmas"] = list(run.sigmas)
    if run.end is not None:
        wanted["denoising_end"] = run.end
    return {name: value for name, value in wanted.items() if name in accepted}


@dataclass(frozen=True)
class Expected:
    """What a row must do.

    Attributes:
        refused: Whether it must be refused; then nothing else counts.
        span: First step, step after the last, steps of the whole schedule.
        evaluations: Calls of the denoiser.
        size: (width, height) of the picture.
        levels: Training timestep at the start and at the end; None at the end of the schedule.
        note: How a note begins that must be told, or empty.
        batch: Pictures made at once.
        strength: What the results say that their picture was noised to; None without a picture.
        seed: What they say that their noise is of; None where nothing tells it.
    """

    refused: bool = False
    span: tuple[int, int, int] = (0, 0, 0)
    evaluations: int = 0
    size: Size = (0, 0)
    levels: tuple[float | None, float | None] = (None, None)
    note: str = ""
    batch: int = 1
    strength: float | None = None
    seed: int | None = SEED


def expected(row: Row, reference: Reference, start: float | None = None) -> Expected | None:
    """What a row must do, from plain diffusers' answers; None where plain diffusers lacks what is lent here.

    Args:
        row: The stage.
        reference: Plain diffusers.
        start: The fraction at which an earlier stage left off.
    """
    runs = [reference(run) for run in plain_runs(row)]
    whole = runs[0] if runs else {"fails": "no pipeline"}
    if "fails" in whole and LENT in (row.scheduler or ""):
        return None
    if "fails" in whole or not whole["evaluations"]:
        return Expected(refused=True)
    timesteps, order = whole["timesteps"], whole["order"]
    steps = math.ceil(len(timesteps) / order)
    begin = (len(timesteps) - whole["evaluations"]) // order
    if start is not None:
        begin = max(begin, _step(row, start, timesteps, order))
    end = steps if row.end is None else _step(row, row.end, timesteps, order)
    if end <= begin:
        return Expected(refused=True)
    first, last = min(begin * order, len(timesteps)), min(end * order, len(timesteps))
    count = last - first
    if len(runs) > 1 and start is None:  # SDXL's own denoising_end
        count = runs[1].get("evaluations", 0)
    levels = (timesteps[first], timesteps[last] if last < len(timesteps) else None)
    batch, strength = max(row.batch, 1 + row.several), None if row.mode == "txt2img" else _strength(row)
    return Expected(False, (begin, end, steps), count, tuple(whole["size"]), levels, _note(row), batch, strength)


def _strength(row: Row) -> float:
    return DEFAULT_STRENGTH if row.strength is None else row.strength


def _step(row: Row, fraction: float, timesteps: list[float], order: int) -> int:
    """The step that a fraction means: dgenerate's int(fraction * N), or for SDXL its timesteps down to a cut-off."""
    if row.family in BY_TIMESTEPS:
        trained = TRAINED.get(row.family, 1000)
        kept = sum(timestep >= round(trained - trained * fraction) for timestep in timesteps)
        return math.ceil(kept / order)
    return int(fraction * math.ceil(len(timesteps) / order) + 1e-6)


def _note(row: Row) -> str:
    asked, made = asked_size(row), rule_size(row)
    if asked is None or made is None or asked == made:
        return ""
    return f"size {asked[0]}x{asked[1]} is rounded to {made[0]}x{made[1]}: "
