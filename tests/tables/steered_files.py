"""What ways to steer put on tiny models: LoRAs, a ControlNet, IP-Adapters and a T2I-Adapter for each family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import tiny

__all__ = ["FAMILIES", "Files", "files_in"]

_Maker = Callable[[], Any]


@dataclass(frozen=True)
class Kind:
    """What fits a family.

    Attributes:
        net: Makes its ControlNet.
        mode: What its address says besides.
        adapter: Makes its IP-Adapter.
        denoiser: Name of the part that denoises.
    """

    net: _Maker
    mode: str = ""
    adapter: Callable[..., Path] = tiny.ip_adapter
    denoiser: str = "unet"


FAMILIES = {
    "sd15": Kind(tiny.controlnet),
    "sdxl": Kind(tiny.union_controlnet, ";mode=3"),
    "deep-sd3": Kind(tiny.sd3_controlnet, "", tiny.sd3_ip_adapter, "transformer"),
    "flux": Kind(tiny.flux_controlnet, "", tiny.flux_ip_adapter, "transformer"),
}
"""Tiny model to what fits it."""


@dataclass(frozen=True)
class Files:
    """What ways put on a model.

    Attributes:
        lora: A LoRA's file.
        other: Another one's.
        net: A ControlNet's folder, with what its address says besides.
        adapters: Two IP-Adapters' addresses.
        sketcher: A T2I-Adapter's folder.
        sketched: The folder of the model that takes it.
    """

    lora: Path
    other: Path
    net: str
    adapters: tuple[str, str]
    sketcher: Path
    sketched: Path


def files_in(folder: Path, family: str = "sd15") -> Files:
    """Files of random weights for a tiny model, written once.

    Args:
        folder: Where.
        family: The tiny model.
    """
    kind, own, large = FAMILIES[family], folder / family, family == "sdxl"
    files = [own / f"adapter-{seed}" / "ip-adapter.safetensors" for seed in (1, 2)]
    if not (own / "sketched").exists():
        denoiser = getattr(tiny.build(family), kind.denoiser)
        for seed, name in ((1, "one"), (2, "two")):
            tiny.lora(own / f"{name}.safetensors", seed, denoiser=denoiser, part=kind.denoiser)
        kind.net().save_pretrained(own / "net")
        for seed, file in zip((1, 2), files, strict=True):
            kind.adapter(file.parent, denoiser, seed)
        tiny.t2i_adapter(large=large).save_pretrained(own / "sketcher")
        tiny.sketched(large=large).save_pretrained(own / "sketched")
    one, two = (f"{file.parent};weight-name={file.name}" for file in files)
    net = f"{own / 'net'}{kind.mode}"
    return Files(own / "one.safetensors", own / "two.safetensors", net, (one, two), own / "sketcher", own / "sketched")
