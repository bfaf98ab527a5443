"""ComfyUI's sampling nodes, brought to one form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from jupyter_latents.pictures.metadata.comfy_graph import Graph, Node
from jupyter_latents.pictures.metadata.foreign import STEPS

__all__ = ["SAMPLINGS", "GraphSampling"]

_SEEDS = 2**64 - 1


@dataclass(frozen=True, slots=True)
class GraphSampling:
    """What a sampling node does.

    Attributes:
        model: The node of its model.
        positive: That of its prompt.
        negative: That of its negative prompt; None for none.
        latents: That of what goes in.
        seed: Its seed; None where it says none.
        steps: Steps of the whole schedule.
        guidance: Its guidance; None where it has none.
        sampler: Its sampler.
        schedule: Its schedule.
        start: Its first step.
        end: Its last step; None for the schedule's end.
        denoise: How much of the noise scale runs, 0 to 1.
        leaves: Whether noise is left at `end`.
        adds: Whether it adds noise to what goes in.
    """

    model: Node | None
    positive: Node | None
    negative: Node | None
    latents: Node | None
    seed: int | None
    steps: int
    guidance: float | None = None
    sampler: str = ""
    schedule: str = ""
    start: int = 0
    end: int | None = None
    denoise: float = 1.0
    leaves: bool = True
    adds: bool = True


def _common(graph: Graph, node: Node, seed: str) -> GraphSampling:
    found = graph.number(node, seed, 0, _SEEDS)
    exact = node.whole(seed, 0, _SEEDS)
    return GraphSampling(
        graph.behind(node, "model"),
        graph.behind(node, "positive"),
        graph.behind(node, "negative"),
        graph.behind(node, "latent_image"),
        exact if exact is not None else None if found is None else int(found),
        int(graph.number(node, "steps", 1, STEPS) or 20),
        graph.number(node, "cfg", 0, 1000),
        graph.said(node, "sampler_name"),
        graph.said(node, "scheduler"),
    )


def _ksampler(graph: Graph, node: Node) -> GraphSampling:
    return replace(_common(graph, node, "seed"), denoise=graph.number(node, "denoise", 0.001, 1) or 1.0)


def _advanced(graph: Graph, node: Node) -> GraphSampling:
    found = _common(graph, node, "noise_seed")
    end = node.whole("end_at_step", 0, 10**9)
    return replace(
        found,
        adds=node.text("add_noise") != "disable",
        start=min(node.whole("start_at_step", 0, 10**9) or 0, found.steps),
        end=end if end is not None and end < found.steps else None,
        leaves=node.text("return_with_leftover_noise") == "enable",
    )


def _custom(graph: Graph, node: Node) -> GraphSampling:
    """SamplerCustom, and SamplerCustomAdvanced, whose parts are nodes of their own."""
    found = _common(graph, node, "noise_seed")
    noise, guider = graph.behind(node, "noise"), graph.behind(node, "guider")
    if noise is not None:
        found = replace(found, seed=noise.whole("noise_seed", 0, _SEEDS), adds=noise.kind != "DisableNoise")
    elif node.inputs.get("add_noise") is False:
        found = replace(found, adds=False)
    if guider is not None:
        found = replace(
            found,
            model=graph.behind(guider, "model"),
            positive=graph.behind(guider, "positive", "conditioning"),
            negative=graph.behind(guider, "negative"),
            guidance=graph.number(guider, "cfg", 0, 1000),
        )
    select = graph.behind(node, "sampler")
    found = replace(found, sampler=graph.said(select, "sampler_name") or select.kind if select is not None else "")
    return _with_sigmas(graph, graph.behind(node, "sigmas"), found)


def _with_sigmas(graph: Graph, sigmas: Node | None, found: GraphSampling) -> GraphSampling:
    """The schedule behind ``sigmas``: a scheduler's, or a part of one."""
    for _ in range(10):
        if sigmas is None or sigmas.kind != "SplitSigmas":
            break
        step = sigmas.whole("step", 0, STEPS) or 0
        found = replace(found, end=step) if sigmas.output == 0 else replace(found, start=step)
        sigmas = graph.behind(sigmas, "sigmas")
    if sigmas is None:
        return found
    return replace(
        found,
        schedule=graph.said(sigmas, "scheduler") or sigmas.kind.removesuffix("Scheduler").lower(),
        steps=int(graph.number(sigmas, "steps", 1, STEPS) or 20),
        denoise=graph.number(sigmas, "denoise", 0.001, 1) or 1.0,
    )


SAMPLINGS: Mapping[str, Callable[[Graph, Node], GraphSampling]] = MappingProxyType(
    {
        "KSampler": _ksampler,
        "KSamplerAdvanced": _advanced,
        "SamplerCustom": _custom,
        "SamplerCustomAdvanced": _custom,
    }
)
"""Each sampling node's class, and who reads it."""
