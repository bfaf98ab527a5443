"""Ways to steer a stage otherwise from a step on, each with the stages that one would write by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.engine.result import StageResult
from jupyter_latents.latents import Latents
from jupyter_latents.stage import Point, Prompt, Stage, Window
from tests import tiny
from tests.engine.cases import Bench, in_memory, inputs, picture

__all__ = ["SWITCHES", "WAYS", "Files", "Way", "by_hand", "differs", "files_in", "steered"]

SWITCHES = (0.2, 0.5, 0.8)
"""Where in a run of ten steps something changes."""
TEXT = "a [red:blue:{}] (cat:1.2)"


@dataclass(frozen=True)
class Files:
    """What ways put on a model.

    Attributes:
        lora: A LoRA's file.
        other: Another one's.
        net: A ControlNet's folder.
    """

    lora: Path
    other: Path
    net: Path


def files_in(folder: Path) -> Files:
    """Files of random weights for ``sd15``, written once.

    Args:
        folder: Where.
    """
    if not (folder / "net").exists():
        tiny.lora(folder / "one.safetensors", seed=1)
        tiny.lora(folder / "two.safetensors", seed=2)
        tiny.controlnet().save_pretrained(folder / "net")
    return Files(folder / "one.safetensors", folder / "two.safetensors", folder / "net")


@dataclass(frozen=True)
class Way:
    """A way to steer.

    Attributes:
        whole: The stage that changes at a point, of one that does not.
        first: The stage by hand before that point.
        second: The stage by hand from there on.
        controls: Whether it takes a control image.
    """

    whole: Callable[[Stage, Files, Point], Stage]
    first: Callable[[Stage, Files, Point], Stage]
    second: Callable[[Stage, Files, Point], Stage]
    controls: bool = False


def _prompt(stage: Stage, text: str) -> Stage:
    return replace(stage, prompt=Prompt(text, weighter="a1111"))


def _guided(stage: Stage, scale: Any) -> Stage:
    return replace(stage, guidance_scale=scale)


def _with(stage: Stage, **put: Any) -> Stage:
    return replace(stage, model=replace(stage.model, **put))


def _steered_by_net(stage: Stage, files: Files, at: Point) -> Stage:
    return _with(stage, control_nets=(f"{files.net};scale=0.7;end={at}",))


WAYS: dict[str, Way] = {
    "prompt": Way(
        lambda stage, _, at: _prompt(stage, TEXT.format(at)),
        lambda stage, _, __: _prompt(stage, "a red (cat:1.2)"),
        lambda stage, _, __: _prompt(stage, "a blue (cat:1.2)"),
    ),
    "guidance": Way(
        lambda stage, _, at: _guided(stage, f"7@0,1@{at}"),
        lambda stage, _, __: _guided(stage, 7.0),
        lambda stage, _, __: _guided(stage, 1.0),
    ),
    "LoRA": Way(
        lambda stage, files, at: _with(stage, loras=(f"{files.lora};scale=0.8;end={at}", f"{files.other};start={at}")),
        lambda stage, files, _: _with(stage, loras=(f"{files.lora};scale=0.8",)),
        lambda stage, files, _: _with(stage, loras=(str(files.other),)),
    ),
    "ControlNet": Way(_steered_by_net, _steered_by_net, _steered_by_net, controls=True),
}
"""Name to way. A ControlNet's end counts timesteps by diffusers' rule, and stands in both stages by hand."""


def _given(way: Way, mode: str, *latents: Latents) -> Inputs:
    return replace(inputs(mode, *latents), controls=(picture(),) if way.controls else ())


def steered(bench: Bench, name: str, stage: Stage, at: Point, mode: str = "txt2img") -> StageResult:
    """A stage that changes at a point, run whole."""
    way, files = WAYS[name], files_in(bench.scratch / "steered")
    return bench.engine.run(way.whole(stage, files, at), _given(way, mode))


def by_hand(
    bench: Bench, name: str, stage: Stage, at: float, carry: Any = in_memory, mode: str = "txt2img"
) -> list[StageResult]:
    """The two stages that a person would write.

    Args:
        bench: Runs them.
        name: The way.
        stage: The stage that does not change.
        at: Where it changes, a fraction of the steps.
        carry: How latents come from one to the other.
        mode: ``txt2img``, ``img2img`` or ``inpaint``.
    """
    way, files = WAYS[name], files_in(bench.scratch / "steered")
    first = bench.engine.run(replace(way.first(stage, files, at), window=Window(None, at)), _given(way, mode))
    latents = carry(first.latents, bench.scratch)
    return [first, bench.engine.run(way.second(stage, files, at), _given(way, mode, latents))]


def differs(bench: Bench, name: str, scheduler: str | None, at: float, carry: Any = in_memory) -> str:
    """How a steered stage differs from the stages by hand; empty where it does not by a bit."""
    stage = bench.stage("sd15", scheduler=scheduler)
    whole = steered(bench, name, stage, at)
    parts = by_hand(bench, name, stage, at, carry)
    import torch

    if not torch.equal(whole.latents.tensor, parts[-1].latents.tensor):
        return f"{float((whole.latents.tensor - parts[-1].latents.tensor).abs().max()):.2g}"
    counts = sum(part.evaluations for part in parts)
    return "" if counts == whole.evaluations else f"{whole.evaluations} evaluations, by hand {counts}"
