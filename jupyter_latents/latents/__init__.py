"""Latents as a value: the tensor with its space, noise level, position, history and origin; files and operations.

Its names are loaded when first used: a run's card is shown before torch is there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_latents.latents.facts import CLEAN, FORMS, Form, Noise, Position, Provenance, Resume
    from jupyter_latents.latents.files.reading import save
    from jupyter_latents.latents.forms import convert, to_form
    from jupyter_latents.latents.operations import (
        add_noise,
        batch,
        blend,
        composite,
        crop,
        flip,
        pad,
        paste,
        resize,
        scale,
        slerp,
        split,
    )
    from jupyter_latents.latents.sequence import LatentsSequence
    from jupyter_latents.latents.spaces import SPACES, Space, find_space
    from jupyter_latents.latents.tensors import check_tensor, tensor_digest
    from jupyter_latents.latents.trajectory import Trajectory
    from jupyter_latents.latents.value import Latents

    load: Callable[..., Latents]

__all__ = [
    "CLEAN",
    "FORMS",
    "SPACES",
    "Form",
    "Latents",
    "LatentsSequence",
    "Noise",
    "Position",
    "Provenance",
    "Resume",
    "Space",
    "Trajectory",
    "add_noise",
    "batch",
    "blend",
    "check_tensor",
    "composite",
    "convert",
    "crop",
    "find_space",
    "flip",
    "load",
    "pad",
    "paste",
    "resize",
    "save",
    "scale",
    "slerp",
    "split",
    "tensor_digest",
    "to_form",
]

_MODULES = {
    "facts": ("CLEAN", "FORMS", "Form", "Noise", "Position", "Provenance", "Resume"),
    "files.reading": ("save",),
    "forms": ("convert", "to_form"),
    "operations": (
        "add_noise",
        "batch",
        "blend",
        "composite",
        "crop",
        "flip",
        "pad",
        "paste",
        "resize",
        "scale",
        "slerp",
        "split",
    ),
    "sequence": ("LatentsSequence",),
    "spaces": ("SPACES", "Space", "find_space"),
    "tensors": ("check_tensor", "tensor_digest"),
    "trajectory": ("Trajectory",),
    "value": ("Latents",),
}
_LAZY = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "load":
        return __getattr__("Latents").load
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
