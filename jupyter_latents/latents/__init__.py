"""Latents as a value: the tensor with its space, noise level, position, history and origin; files and operations."""

from __future__ import annotations

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

load = Latents.load

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
    "resize",
    "save",
    "scale",
    "slerp",
    "split",
    "tensor_digest",
    "to_form",
]
