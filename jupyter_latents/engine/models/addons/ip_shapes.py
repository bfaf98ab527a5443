"""Whether an IP-Adapter fits a model and its image encoder: read from the shapes of its tensors alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.weights import header

__all__ = ["FAMILIES", "misfit", "shapes_in"]

Shapes = Mapping[str, tuple[int, ...]]

FAMILIES = {"SD": "unet", "SDXL": "unet", "SDXL refiner": "unet", "Kolors": "unet", "SD3": "sd3", "Flux.1": "flux"}
"""Family to the kind of adapters that it takes."""

_OTHERS = {"unet": "SD, SDXL or Kolors", "sd3": "SD3", "flux": "Flux.1"}


def shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    """Tensor name to shape of an adapter's file, ``image_proj.`` and ``ip_adapter.`` before the names.

    Args:
        path: A ``.safetensors`` file, or one of torch, which is opened and not read.
    """
    if path.suffix.lower() == ".safetensors":
        return header(path)
    import zipfile

    import torch

    held = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    return dict(_flat(held, ""))


def _flat(held: Any, before: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, value in held.items() if isinstance(held, Mapping) else ():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", tuple(getattr(value, "shape", ()))


def misfit(facts: ModelFacts, shapes: Shapes, encoder: Mapping[str, Any]) -> str:
    """Why an adapter cannot go on a model, as a clause; empty where it can, or where its shapes are not known.

    Args:
        facts: The model.
        shapes: Of the adapter's tensors.
        encoder: Configuration of the image encoder.
    """
    if not shapes:
        return ""
    kind, wanted = _kind(shapes), FAMILIES[facts.family.name]
    if not kind:
        return "it holds no IP-Adapter"
    if kind == "face":
        return "it is a FaceID adapter, which reads embeddings of faces that stages do not give yet"
    if kind != wanted:
        return f"it is made for {_OTHERS[kind]}"
    return _projection(shapes, encoder) or (_attention(facts, shapes) if kind == "unet" else _layers(facts, shapes))


def _kind(shapes: Shapes) -> str:
    names = set(shapes)
    if any(name.startswith(("double_blocks.", "ip_adapter_proj_model.")) for name in names):
        return "flux"
    if any(name.endswith("norm_ip.linear.weight") for name in names):
        return "sd3"
    if {"image_proj.norm.weight", "image_proj.perceiver_resampler.proj_in.weight"} & names and (
        "image_proj.latents" not in names and "image_proj.proj.weight" not in names
    ):
        return "face"
    if not any(name.startswith("ip_adapter.") and name.endswith(".to_k_ip.weight") for name in names):
        return ""
    return "unet" if "ip_adapter.1.to_k_ip.weight" in names else "flux"


def _projection(shapes: Shapes, encoder: Mapping[str, Any]) -> str:
    """Where its first layer reads another width than the image encoder makes."""
    pooled = shapes.get("image_proj.proj.weight") or shapes.get("ip_adapter_proj_model.proj.weight")
    whole = shapes.get("image_proj.proj_in.weight") or shapes.get("image_proj.proj.0.weight")
    pairs = [(pooled, "projection_dim"), (whole, "hidden_size")]
    for shape, key in pairs:
        ours = encoder.get(key)
        if shape and ours and shape[1] != ours:
            return f"it reads images of {shape[1]} values, and its image encoder makes {ours}"
    return ""


def _attention(facts: ModelFacts, shapes: Shapes) -> str:
    """Where the U-Net's attention has other layers."""
    theirs = Counter(shape for name, shape in shapes.items() if name.endswith(".to_k_ip.weight"))
    unet = facts.sources[facts.denoiser].shapes
    ours = Counter(shape for name, shape in unet.items() if name.endswith("attn2.to_k.weight"))
    if ours and theirs != ours:
        return f"its layers are {_widths(theirs)}, and those of the model {_widths(ours)}"
    return ""


def _widths(layers: Counter[tuple[int, ...]]) -> str:
    return ", ".join(f"{count} of {'x'.join(map(str, shape))}" for shape, count in sorted(layers.items()))


def _layers(facts: ModelFacts, shapes: Shapes) -> str:
    """Where the transformer has another number of blocks."""
    endings = (".to_k_ip.weight", "ip_adapter_double_stream_k_proj.weight")
    theirs = sum(name.endswith(endings) for name in shapes)
    ours = int(facts.config(facts.denoiser).get("num_layers") or theirs)
    return f"it is for {theirs} blocks, and the model has {ours}" if theirs != ours else ""
