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

__all__ = ["FIELDS", "FIELD_OF_OPTION", "FieldRow", "beside", "label", "worded"]


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field of the editor.

    Attributes:
        section: The heading that it stands under.
        name: Attribute of `StageForm`; ``window`` stands for its two ends.
        label: What stands before it.
        kind: Which control: ``text``, ``area``, ``choice`` (a text with proposals), ``list`` or ``range``.
        hint: Shown while it is empty.
        wide: Whether it takes the whole width.
        upload: Kinds of files that can be put in, for a file button; empty for none.
        slide: Lowest and highest value, step, and what an empty field means, where it has a slider beside it.
    """

    section: str
    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    wide: bool = False
    upload: str = ""
    slide: tuple[float, float, float, float] | None = None


_PICTURES, _LATENTS = ",".join(endings("picture")), ",".join(endings("latents"))
_STEPS, _GUIDANCE = default("num_inference_steps"), default("guidance_scale")

FIELDS: tuple[FieldRow, ...] = (
    FieldRow("Model", "model", "Model", "choice", "demo model, hub name or folder", wide=True),
    FieldRow("Prompt", "prompt", "Prompt", "area", "what to paint", wide=True),
    FieldRow("Prompt", "negative", "Negative prompt", "text", "what to keep out", wide=True),
    FieldRow("Steps", "window", "Steps of this stage", "range", wide=True),
    FieldRow("Steps", "steps", "Steps in all", "text", plain(_STEPS), slide=(1, 100, 1, _STEPS)),
    FieldRow("Steps", "scheduler", "Sampler", "list"),
    FieldRow("Steps", "guidance", "Guidance", "text", plain(_GUIDANCE), slide=(0, 20, 0.5, _GUIDANCE)),
    FieldRow("Steps", "seed", "Seed", "text", "at random"),
    FieldRow("Picture in", "latents", "Latents", "choice", "variable, file or drop", upload=_LATENTS),
    FieldRow("Picture in", "image", "Picture", "choice", "variable, file or drop", upload=_PICTURES),
    FieldRow("Picture in", "mask", "Mask", "choice", "variable, file or drop", upload=_PICTURES),
    FieldRow(
        "Picture in", "strength", "Strength", "text", plain(DEFAULT_STRENGTH), slide=(0.05, 1, 0.05, DEFAULT_STRENGTH)
    ),
    FieldRow("Comes out", "into", "Save as variable", "text", "a name for Python"),
    FieldRow("Comes out", "size", "Size", "text", "the model's own, or 512x768"),
    FieldRow("Comes out", "output", "Write files", "text", "nowhere; name a folder", wide=True),
    FieldRow("More", "more", "Other options", "text", "such as --dtype float16", wide=True),
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
        "output_path": "output",
        "more": "more",
    }
)
"""An option's `dest` to the field that shows it; what is not here is written under ``more``."""

_LABELS = {row.name: row.label for row in FIELDS}
_WINDOW = _LABELS["window"]
_ENDS = {"denoising_start": f"{_WINDOW} (start)", "denoising_end": f"{_WINDOW} (end)"}
# Image seeds are three fields, and a message that means one of them says which; others are other options.
_NAMES = {dest: _LABELS[field] for dest, field in FIELD_OF_OPTION.items() if dest != "image_seeds"} | _ENDS
_INPUTS = ("latents", "image", "mask")


def label(field: str) -> str:
    """What a field is called."""
    return _LABELS[field]


def worded(error: JupyterLatentsError, field: str = "") -> str:
    """What an error says, with options called as the panel's fields are; those without a field as in scripts.

    Args:
        error: The error.
        field: The field that it belongs to, where that is known.
    """
    names = _NAMES | ({"image_seeds": _LABELS[field]} if field in _INPUTS else {})
    return spell(error.template, lambda dest: names.get(dest) or spelling(dest), _LABELS)


def beside(error: JupyterLatentsError, field: str) -> str:
    """What an error says beside the label of its field, which it does not repeat.

    Args:
        error: The error.
        field: The field; empty where it belongs to none.
    """
    text = worded(error, field)
    return text.removeprefix(f"{label(field)}: ") if field else text
