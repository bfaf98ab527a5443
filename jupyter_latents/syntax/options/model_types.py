"""Names of ``--model-type``: dgenerate's spellings and the family that each stands for."""

from __future__ import annotations

__all__ = ["MODEL_TYPES"]

_FAMILIES = ("sd", "sdxl", "kolors", "sd3", "flux", "flux2", "qwen-image", "z-image")

MODEL_TYPES: dict[str, str | None] = {
    **{name: name for name in _FAMILIES},
    **{f"torch-{name}": name for name in _FAMILIES},
    "torch": "sd",
    "sd1": "sd",
    "sd2": "sd",
    "sd3.5": "sd3",
    "sdxl-refiner": "sdxl",
    "flux.1": "flux",
    "flux.2": "flux2",
    "flux2-klein": "flux2",
    "qwen": "qwen-image",
    "zimage": "z-image",
    "auto": None,
}
"""Spelling to family; None lets the model decide."""
