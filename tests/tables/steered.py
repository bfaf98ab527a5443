"""Ways to steer a stage otherwise from a step on, each with the stages that one would write by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.engine.result import StageResult
from jupyter_latents.latents import Latents
from jupyter_latents.stage import Point, Prompt, Stage, Window
from tests.engine.cases import Bench, in_memory, inputs, picture
from tests.tables.steered_files import Files, files_in

__all__ = ["SWITCHES", "WAYS", "Files", "Place", "Way", "by_hand", "differs", "files_in", "stage_at", "steered"]

SWITCHES = (0.2, 0.5, 0.8)
"""Where in a run of ten steps something changes."""
TEXT = "a [red:blue:{}] (cat:1.2)"

_Put = Callable[[Stage, Files, Point], Stage]


@dataclass(frozen=True)
class Way:
    """A way to steer.

    Attributes:
        whole: The stage that changes at a point, of one that does not.
        first: The stage by hand before that point.
        second: The stage by hand from there on.
        whole_given: Pictures that go into the stage that changes, beside those of its mode.
        first_given: Those of the first stage by hand.
        second_given: Those of the second.
        sketches: Whether it runs on the model that takes a T2I-Adapter.
    """

    whole: _Put
    first: _Put
    second: _Put
    whole_given: Mapping[str, Any] = field(default_factory=dict)
    first_given: Mapping[str, Any] = field(default_factory=dict)
    second_given: Mapping[str, Any] = field(default_factory=dict)
    sketches: bool = False


@dataclass(frozen=True)
class Place:
    """Where a way is tried.

    Attributes:
        family: A tiny model of `steered_files.FAMILIES`.
        scheduler: None for the model's own.
        mode: ``txt2img``, ``img2img`` or ``inpaint``.
    """

    family: str = "sd15"
    scheduler: str | None = None
    mode: str = "txt2img"


def _prompt(stage: Stage, text: str) -> Stage:
    return replace(stage, prompt=Prompt(text, weighter="a1111"))


def _guided(stage: Stage, scale: Any) -> Stage:
    return replace(stage, guidance_scale=scale)


def _with(stage: Stage, **put: Any) -> Stage:
    return replace(stage, model=replace(stage.model, **put))


def _plain(stage: Stage, _files: Files, _at: Point) -> Stage:
    return stage


def _steered_by_net(stage: Stage, files: Files, at: Point) -> Stage:
    return _with(stage, control_nets=(f"{files.net};scale=0.7;end={at}",))


def _adapted(stage: Stage, files: Files, at: Point) -> Stage:
    return _with(stage, ip_adapters=(f"{files.adapters[0]};scale=0.7;end={at}",))


_NET = {"controls": (picture(),)}
_SEEN = {"adapters": ((picture(48),),)}

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
    "ControlNet": Way(_steered_by_net, _steered_by_net, _steered_by_net, _NET, _NET, _NET),
    "IP-Adapter": Way(
        _adapted,
        lambda stage, files, _: _with(stage, ip_adapters=(f"{files.adapters[0]};scale=0.7",)),
        _plain,
        _SEEN,
        _SEEN,
    ),
    "T2I-Adapter": Way(
        lambda stage, files, at: _with(stage, t2i_adapters=(f"{files.sketcher};scale=0.8;start={at}",)),
        _plain,
        lambda stage, files, _: _with(stage, t2i_adapters=(f"{files.sketcher};scale=0.8",)),
        _NET,
        second_given=_NET,
        sketches=True,
    ),
}
"""Name to way. A ControlNet's end counts timesteps by diffusers' rule, and stands in both stages by hand."""


def _given(beside: Mapping[str, Any], mode: str, *latents: Latents) -> Inputs:
    return replace(inputs(mode, *latents), **dict(beside))


def steered(bench: Bench, name: str, stage: Stage, at: Point, place: Place = Place()) -> StageResult:
    """A stage that changes at a point, run whole."""
    way, files = WAYS[name], files_in(bench.scratch / "steered", place.family)
    return bench.engine.run(way.whole(stage, files, at), _given(way.whole_given, place.mode))


def by_hand(
    bench: Bench, name: str, stage: Stage, at: float, carry: Any = in_memory, place: Place = Place()
) -> list[StageResult]:
    """The two stages that a person would write.

    Args:
        bench: Runs them.
        name: The way.
        stage: The stage that does not change.
        at: Where it changes, a fraction of the steps.
        carry: How latents come from one to the other.
        place: Where it is tried.
    """
    way, files = WAYS[name], files_in(bench.scratch / "steered", place.family)
    start = replace(way.first(stage, files, at), window=Window(None, at))
    first = bench.engine.run(start, _given(way.first_given, place.mode))
    latents = carry(first.latents, bench.scratch)
    second = _given(way.second_given, place.mode, latents)
    return [first, bench.engine.run(way.second(stage, files, at), second)]


def stage_at(bench: Bench, name: str, place: Place) -> Stage:
    """The stage that does not change.

    Args:
        bench: Where it runs.
        name: The way that it is to change by.
        place: Where that is tried.
    """
    sketched = files_in(bench.scratch / "steered", place.family).sketched
    model = str(sketched) if WAYS[name].sketches else place.family
    strength = {} if place.mode == "txt2img" else {"strength": 0.9}
    return bench.stage(model, scheduler=place.scheduler, **strength)


def differs(bench: Bench, name: str, place: Place, at: float, carry: Any = in_memory) -> str:
    """How a steered stage differs from the stages by hand; empty where it does not by a bit."""
    stage = stage_at(bench, name, place)
    whole = steered(bench, name, stage, at, place)
    parts = by_hand(bench, name, stage, at, carry, place)
    if not torch.equal(whole.latents.tensor, parts[-1].latents.tensor):
        return f"{float((whole.latents.tensor - parts[-1].latents.tensor).abs().max()):.2g}"
    counts = sum(part.evaluations for part in parts)
    return "" if counts == whole.evaluations else f"{whole.evaluations} evaluations, by hand {counts}"
