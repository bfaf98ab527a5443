"""The fields of the panel: what stands before them, and what errors call them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.formats import endings
from jupyter_latents.stage import DEFAULT_STRENGTH
from jupyter_latents.syntax.options.faults import spelling
from jupyter_latents.syntax.options.fields import default
from jupyter_latents.syntax.options.writers import plain
from jupyter_latents.wording import spell

__all__ = ["FIELDS", "FIELD_OF_OPTION", "FieldRow", "worded"]


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field of the editor.

    Attributes:
        name: Attribute of `StageForm`; ``window`` stands for its two ends.
        label: What stands before it.
        kind: Which control: ``text``, ``area``, ``choice`` (a text with proposals), ``list`` or ``range``.
        hint: Shown while it is empty.
        wide: Whether it takes the whole width.
        upload: Kinds of files that can be put in, for a file button; empty for none.
    """

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    wide: bool = False
    upload: str = ""


_PICTURES, _LATENTS = ",".join(endings("picture")), ",".join(endings("latents"))

FIELDS: tuple[FieldRow, ...] = (
    FieldRow("model", "Model", "choice", "demo model, hub name or folder", wide=True),
    FieldRow("prompt", "Prompt", "area", "what to paint", wide=True),
    FieldRow("negative", "Negative", "text", "what to keep out", wide=True),
    FieldRow("seed", "Seed", "text", "at random; several multiply"),
    FieldRow("size", "Size", "text", "the model's own, or 512x768"),
    FieldRow("steps", "Steps", "text", plain(default("num_inference_steps"))),
    FieldRow("guidance", "Guidance", "text", plain(default("guidance_scale"))),
    FieldRow("scheduler", "Scheduler", "list"),
    FieldRow("into", "Name", "text", "variable for the result"),
    FieldRow("window", "Window", "range", wide=True),
    FieldRow("latents", "Latents", "choice", "variable or file to go on from", upload=_LATENTS),
    FieldRow("image", "Image", "choice", "variable or file", upload=_PICTURES),
    FieldRow("mask", "Mask", "choice", "white is painted anew", upload=_PICTURES),
    FieldRow("strength", "Strength", "text", f"{DEFAULT_STRENGTH:g} of the image's noise"),
    FieldRow("more", "More", "text", "further options, such as --dtype float16", wide=True),
)
"""The fields from top to bottom."""

FIELD_OF_OPTION = MappingProxyType(
    {
        "model": "model",
        "prompts": "prompt",
        "negative_prompts": "negative",
        "seeds": "seed",
        "inference_steps": "steps",
        "guidance_scales": "guidance",
        "schedulers": "scheduler",
        "output_size": "size",
        "denoising_start": "window",
        "denoising_end": "window",
        "strengths": "strength",
        "image_seeds": "latents",
        "into": "into",
        "more": "more",
    }
)
"""An option's `dest` to the field that shows it; what is not here is written under ``more``."""

_LABELS = {row.name: row.label for row in FIELDS}
_ENDS = {"denoising_start": "Window start", "denoising_end": "Window end"}
# Image seeds are three fields, and a message that means one of them says which; others are typed under More.
_NAMES = {dest: _LABELS[field] for dest, field in FIELD_OF_OPTION.items() if dest != "image_seeds"} | _ENDS
_INPUTS = ("latents", "image", "mask")


def worded(error: JupyterLatentsError, field: str = "") -> str:
    """What an error says, with options called as the panel's fields are; those without a field as in scripts.

    Args:
        error: The error.
        field: The field that it belongs to, where that is known.
    """
    names = _NAMES | ({"image_seeds": _LABELS[field]} if field in _INPUTS else {})
    return spell(error.template, lambda dest: names.get(dest) or spelling(dest), _LABELS)
