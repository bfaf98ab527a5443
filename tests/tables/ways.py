"""How latents come into a schedule without their history, and how far what is made of them is from the right."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.schedule.level_tensor import level_tensor
from jupyter_latents.engine.schedule.table import BACKWARDS
from jupyter_latents.latents import Latents, Noise, batch, split
from jupyter_latents.latents.forms import convert
from jupyter_latents.stage import ModelSource, Prompt, Stage, Window
from tests.engine.cases import FLOW_SCHEDULERS, Bench, relative
from tests.engine.schedule.known import STOCHASTIC, walk

__all__ = ["ENOUGH", "STEPS", "WAYS", "Figure", "Measures", "measured"]

STEPS, AT, OTHER_STEPS = 20, 0.8, 25
EARLY, SMALLER = 0.6, (112, 112)
ENOUGH, SHARE = 0.06, 1.5
OTHER_TABLE = ("CogVideoXDDIMScheduler",)  # has no history, and other noise levels than the models that are tried
LOWEST = 0.0292  # sigma of the first training timestep
PAIRS = MappingProxyType(
    {
        "DDIMInverseScheduler": "DDIMScheduler",
        "DPMSolverMultistepInverseScheduler": "DPMSolverMultistepScheduler",
    }
)


@dataclass(frozen=True)
class Figure:
    """What was measured of a scheduler.

    Attributes:
        scheduler: As ``--scheduler`` names it.
        kind: ``steady``, ``drawing`` (draws noise) or ``back`` (goes from a picture to noise).
        values: What was measured, by name; ``with, WAY`` is the error with the history at the step where a way enters.
    """

    scheduler: str
    kind: str
    values: dict[str, float] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether it is right."""
        values = self.values
        if self.kind == "steady":
            own = [way for way in WAYS if way != "of Euler" or self.scheduler not in OTHER_TABLE]
            return all(values[way] <= self.most(way) for way in own)
        if self.kind == "back":
            return values["without"] <= 0.1
        deviation, error = values["with deviation"], 5 / math.sqrt(values["count"])
        mean = abs(values["without mean"] - values["with mean"])
        spread = abs(values["without deviation"] / deviation - 1)
        return mean <= deviation * (2 * error + 0.02) and spread <= 2 * error + 0.02

    def most(self, way: str) -> float:
        """The error up to which a way in is right."""
        return max(ENOUGH, SHARE * self.values.get(f"with, {way}", self.values["with"]))

    @property
    def verdict(self) -> str:
        """In a word."""
        return "right" if self.holds else "**wrong**"


@dataclass(frozen=True)
class Entry:
    """One way in.

    Attributes:
        latents: What enters.
        steps: Steps of the receiving schedule.
        start: ``--denoising-start``, for latents that do not say where they stand.
        item: Which of a batch is looked at.
    """

    latents: tuple[Latents, ...]
    steps: int = STEPS
    start: float | None = None
    item: int = 0


def _bare(measures: Measures, scheduler: str, base: Latents) -> Entry:
    path = measures.bench.scratch / "bare.pt"
    base.save(path)
    return Entry((Latents.load(path),), start=AT)


WAYS: Mapping[str, Callable[[Measures, str, Latents], Entry]] = MappingProxyType(
    {
        "history dropped": lambda _, __, base: Entry((base.replace(resume=None),)),
        "bare file": _bare,
        "blended": lambda measures, name, base: Entry((base.blend(measures.base(name, seed=8), 0.5),)),
        "joined": lambda measures, name, base: Entry((base, measures.base(name, seed=8))),
        "split": lambda measures, name, base: Entry((split(batch([base, measures.base(name, seed=8)]))[0],)),
        "resized": lambda _, __, base: Entry((base.resize(SMALLER),)),
        "25 steps": lambda _, __, base: Entry((base,), steps=OTHER_STEPS),
        "of Euler": lambda measures, name, _: Entry((measures.base(measures.plain(name), seed=7),)),
    }
)
"""Way in, by the heading of its column."""


@dataclass
class Measures:
    """Runs and references on the demo models.

    Attributes:
        bench: Runs stages.
        most: Steps of a reference.
    """

    bench: Bench
    most: int = 250
    _bases: dict[tuple[str, int], Latents] = field(default_factory=dict)
    _references: dict[tuple[str, float], torch.Tensor] = field(default_factory=dict)

    def plain(self, scheduler: str) -> str:
        """Euler's method for models of a scheduler's kind."""
        return "FlowMatchEulerDiscreteScheduler" if scheduler in FLOW_SCHEDULERS else "EulerDiscreteScheduler"

    def stage(self, scheduler: str, kind: str = "", **options: object) -> Stage:
        """A stage of the demo model that a scheduler runs."""
        name = "demo/flow" if (kind or scheduler) in FLOW_SCHEDULERS else "demo/scenes"
        settings = {"seed": 7, "num_inference_steps": STEPS, "guidance_scale": 4.0, **options}
        prompt = Prompt("a beautiful sunset over the mountains")
        return Stage(model=ModelSource(name), prompt=prompt, scheduler=scheduler, **settings)  # type: ignore[arg-type]

    def base(self, scheduler: str, seed: int) -> Latents:
        """What a scheduler leaves at the split."""
        if (scheduler, seed) not in self._bases:
            stage = self.stage(scheduler, window=Window(None, AT), seed=seed)
            self._bases[scheduler, seed] = self.bench.engine.run(stage).latents
        return self._bases[scheduler, seed]

    def error(self, scheduler: str, entry: Entry) -> float:
        """How far a scheduler's end is from that of many Euler steps from the same latents."""
        stage = self.stage(scheduler, num_inference_steps=entry.steps, window=Window(entry.start, None))
        made = self.bench.engine.run(stage, Inputs(entry.latents)).latents.tensor[entry.item : entry.item + 1]
        return relative(made, self.reference(stage, entry))

    def control(self, scheduler: str, way: str, entry: Entry) -> float:
        """The error that a scheduler makes with its history from the step at which latents enter.

        Of resized latents it has none: those that were resized at 0.6 and went on to 0.8 stand in their place.
        """
        if way == "resized":
            early = self.bench.engine.run(self.stage(scheduler, window=Window(None, EARLY))).latents.resize(SMALLER)
            later = self.bench.engine.run(self.stage(scheduler, window=Window(None, AT)), Inputs((early,))).latents
            return self.error(scheduler, Entry((later,)))
        stage = self.stage(scheduler, num_inference_steps=entry.steps, window=Window(entry.start, None))
        span = prepare(stage, Given(entry.latents)).span
        own = self.stage(scheduler, num_inference_steps=entry.steps, window=Window(None, span.start / span.of))
        return self.error(scheduler, Entry((self.bench.engine.run(own).latents,), steps=entry.steps))

    def reference(self, stage: Stage, entry: Entry) -> torch.Tensor:
        """The end of many Euler steps from the latents that a stage enters its schedule with."""
        plan = prepare(stage, Given(entry.latents))
        if plan.entering.way is None or not isinstance(plan.latents, Latents):
            raise TypeError("nothing enters")
        noise = plan.entering.way.noise
        extra = torch.Generator("cpu").manual_seed(((stage.seed or 0) ^ 0x9E3779B9) % 2**63)
        held = level_tensor(plan.latents, noise, extra, plan.entering.way.form)[entry.item : entry.item + 1].float()
        exploding = convert(held, noise.sigma, noise.form, "ve")
        key = (f"{stage.model.name} {float(exploding.sum()):.2f} {float(exploding.square().sum()):.2f}", noise.sigma)
        if key not in self._references:
            self._references[key] = self._euler(stage, held, noise)
        return self._references[key]

    def _euler(self, stage: Stage, held: torch.Tensor, noise: Noise) -> torch.Tensor:
        if noise.form == "flow":
            own = noise.flow_sigma
            sigmas = tuple(own * (1 - step / self.most) for step in range(self.most))
            name, form = "FlowMatchEulerDiscreteScheduler;shift=1.0", noise.form
        else:
            ratio = LOWEST / noise.sigma
            sigmas = tuple(noise.sigma * ratio ** (step / (self.most - 1)) for step in range(self.most))
            name, form = "EulerDiscreteScheduler", "ve"
        given = Latents(convert(held, noise.sigma, noise.form, form), None, Noise(noise.sigma, form))  # type: ignore[arg-type]
        plain = self.stage(name, FLOW_SCHEDULERS[0] if form == "flow" else "", sigmas=sigmas,
                           num_inference_steps=len(sigmas))  # fmt: skip
        return self.bench.engine.run(plain, Inputs((given,))).latents.tensor


def measured(measures: Measures, scheduler: str) -> Figure:
    """All that is measured of a scheduler."""
    if scheduler in STOCHASTIC:
        return _drawing(scheduler)
    if scheduler in BACKWARDS:
        return _back(measures, scheduler)
    base = measures.base(scheduler, seed=7)
    figure = Figure(scheduler, "steady", {"with": round(measures.error(scheduler, Entry((base,))), 4)})
    for way, enter in WAYS.items():
        entry = enter(measures, scheduler, base)
        figure.values[way] = round(measures.error(scheduler, entry), 4)
        if figure.values[way] > figure.most(way):
            figure.values[f"with, {way}"] = round(measures.control(scheduler, way, entry), 4)
    return figure


def _drawing(scheduler: str, shape: tuple[int, ...] = (8, 4, 32, 32)) -> Figure:
    first = walk(scheduler, 40, window=(0, 20), shape=shape).last
    values: dict[str, float] = {"count": math.prod(shape)}
    for name, given, seed in (("with", first, 1), ("without", first.latents, 2)):
        made = walk(scheduler, 40, window=(20, None), shape=shape, given=given, seed=seed).last.latents.double()
        values |= {f"{name} mean": round(float(made.mean()), 4), f"{name} deviation": round(float(made.std()), 4)}
    return Figure(scheduler, "drawing", values)


def _back(measures: Measures, scheduler: str) -> Figure:
    def run(name: str, *latents: Latents, window: Window = Window(), guidance: float = 1.0) -> Latents:  # noqa: B008
        stage = measures.stage(name, window=window, guidance_scale=guidance, num_inference_steps=30)
        return measures.bench.engine.run(stage, Inputs(latents)).latents

    picture = run("EulerDiscreteScheduler", guidance=4.0)
    half = run(scheduler, picture, window=Window(None, 0.5))
    values = {}
    for name, latents in (("with", half), ("without", half.replace(resume=None))):
        again = run(PAIRS[scheduler], run(scheduler, latents))
        values[name] = round(relative(again.tensor, picture.tensor), 4)
    return Figure(scheduler, "back", values)
