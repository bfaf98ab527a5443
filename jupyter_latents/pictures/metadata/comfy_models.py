"""What ComfyUI's sampling nodes are given: models with LoRAs, prompts, ControlNets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from jupyter_latents.pictures.metadata.comfy_graph import Graph, Node
from jupyter_latents.pictures.metadata.foreign import Remarks, addon, file_name, not_covered
from jupyter_latents.pictures.metadata.recipe import fill_in
from jupyter_latents.stage import Address

__all__ = ["Conditioning", "clip_skip", "conditioning", "model_of"]

_MOST = 200  # nodes one behind the other
_CLIP = re.compile(r"clip_skip_(\d{1,2})\b")
_NETS = ("ControlNetApply", "ControlNetApplyAdvanced", "ControlNetApplySD3")


@dataclass(slots=True)
class Conditioning:
    """What a conditioning says.

    Attributes:
        texts: The prompts of its text encoders.
        clip: The node of its text encoder.
        guidance: A distilled model's guidance; None where none is set.
        nets: Its ControlNets.
        pictures: The nodes of their pictures.
    """

    texts: list[str] = field(default_factory=list)
    clip: Node | None = None
    guidance: float | None = None
    nets: list[Address] = field(default_factory=list)
    pictures: list[Node | None] = field(default_factory=list)


def model_of(graph: Graph, node: Node | None, remarks: Remarks) -> tuple[str, tuple[Address, ...], int | None]:
    """A model's name in the cell, its LoRAs, and the CLIP layers that its configuration skips."""
    loras: list[Address] = []
    for _ in range(_MOST):
        if node is None:
            break
        if name := graph.said(node, "ckpt_name", "unet_name", "model_name", "base_ckpt_name"):
            found = _CLIP.search(graph.said(node, "config_name"))
            skipped = int(found[1]) - 1 if found else 0
            return remarks.model(name), tuple(reversed(loras)), skipped if skipped > 0 else None
        if "lora_name" in node.inputs:
            lora = graph.said(node, "lora_name")
            remarks.add(fill_in(file_name(lora) or "LORA", "a LoRA, as a hub name or a file"))
            loras.append(addon(lora or "LORA", {"scale": graph.number(node, "strength_model", -100, 100)}))
        else:
            remarks.add(not_covered("node", f"{node.kind}, which changes the model"))
        node = graph.behind(node, "model", "base_model", "model1")
    return remarks.model(""), tuple(reversed(loras)), None


def clip_skip(graph: Graph, node: Node | None) -> int | None:
    """The CLIP layers that are skipped on the way from a text encoder to its file; None for none."""
    for _ in range(_MOST):
        if node is None:
            return None
        if node.kind == "CLIPSetLastLayer":
            last = node.whole("stop_at_clip_layer", -24, -1)
            return -last - 1 if last is not None and last < -1 else None
        node = graph.behind(node, "clip")
    return None


def conditioning(graph: Graph, node: Node | None, remarks: Remarks) -> Conditioning:
    """What a chain of conditioning nodes says; what has no counterpart here is remarked on."""
    found = Conditioning()
    for _ in range(_MOST):
        if node is None or node.kind == "ConditioningZeroOut":
            break
        if node.kind in _NETS:
            _take_net(graph, node, remarks, found)
        elif node.kind == "FluxGuidance":
            found.guidance = graph.number(node, "guidance", 0, 1000)
        elif node.kind.startswith(("CLIPTextEncode", "TextEncode")):
            found.clip = graph.behind(node, "clip")
            names = [("text", "prompt"), ("text_g", "clip_l"), ("text_l", "t5xxl")]
            texts = [graph.said(node, *pair) for pair in names if any(name in node.inputs for name in pair)]
            found.texts = [text.strip() for text in texts]
            break
        else:
            remarks.add(not_covered("node", f"{node.kind}, which joins or changes prompts; its first one is taken"))
        negative = node.kind != "ControlNetApply" and node.output == 1
        names_ = ("negative",) if negative else ("conditioning", "positive")
        node = graph.behind(node, *names_, "conditioning_1", "conditioning_to", "conditioning1")
    return found


def _take_net(graph: Graph, node: Node, remarks: Remarks, found: Conditioning) -> None:
    loader = graph.behind(node, "control_net")
    name = graph.said(loader, "control_net_name") if loader is not None else ""
    settings = {
        "scale": graph.number(node, "strength", 0, 100),
        "start": graph.number(node, "start_percent", 0, 1),
        "end": graph.number(node, "end_percent", 0, 1),
    }
    net = addon(name or "CONTROLNET", settings)
    remarks.add(fill_in(net.name, "a ControlNet, as a hub name or a folder"))
    found.nets.append(net)
    found.pictures.append(graph.behind(node, "image"))
