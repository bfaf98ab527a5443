"""The rows of a ``model_index.json`` that name parts: pairs of library and class, for every part that a stage needs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.libraries.quiet import silenced
from jupyter_latents.errors import ModelError

__all__ = ["SKIPPED", "check_rows", "is_pair"]

SKIPPED = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts of a model that no stage uses."""

_LEFT_OUT = ("text_encoder_3", "tokenizer_3")
"""Required by its class, and yet Stable Diffusion 3 runs without."""


_WANTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "StableDiffusionXLPipeline": ("text_encoder", "text_encoder_2"),
        "StableDiffusionXLInpaintPipeline": ("text_encoder_2",),
        "StableDiffusionXLImg2ImgPipeline": ("text_encoder_2",),
    }
)
"""Parts that a class may lack where a caller brings their embeddings, which stages do not."""


def is_pair(row: object) -> bool:
    """Whether a row names a library and a class."""
    return isinstance(row, list) and len(row) == 2 and all(isinstance(text, str) and text for text in row)


def check_rows(index: Mapping[str, Any], model: str) -> None:
    """Sees that every part which a pipeline needs has its row.

    Args:
        index: The ``model_index.json``; its class is one of diffusers'.
        model: Whose it is.

    Raises:
        ModelError: A row is no pair, or one that cannot be left out is not there; names it.
    """
    required, optional = _parts(str(index["_class_name"]))
    for name in (*required, *optional):
        row = index.get(name)
        if is_pair(row) or name in SKIPPED:
            continue
        absent = row is None or row == [None, None]
        if absent and (name in optional or name in _LEFT_OUT):
            continue
        said = f"names no {name}" if absent else f"says {name}: {_shown(row)}"
        _refuse(index, model, f"{said}; a part is written as its library and its class, two texts in a list")
    _check_encoders(index, model, required)


def _check_encoders(index: Mapping[str, Any], model: str, required: tuple[str, ...]) -> None:
    """A text encoder stands with its tokenizer, and there is one."""
    encoders = [name for name in required if name.startswith("text_encoder")]
    for name in encoders:
        tokenizer = name.replace("text_encoder", "tokenizer")
        if tokenizer in required and is_pair(index.get(name)) != is_pair(index.get(tokenizer)):
            there, lacks = (name, tokenizer) if is_pair(index.get(name)) else (tokenizer, name)
            _refuse(index, model, f"names {there} without {lacks}")
    if encoders and not any(is_pair(index.get(name)) for name in encoders):
        _refuse(index, model, "names no text encoder")
    wanted = _WANTED.get(str(index["_class_name"]), ())
    if lacking := [name for name in wanted if not is_pair(index.get(name))]:
        _refuse(index, model, f"names no {lacking[0]}")


def _refuse(index: Mapping[str, Any], model: str, what: str) -> None:
    raise ModelError(
        f"the model_index.json of {model} ({index['_class_name']}) {what}. Fetch the model again, or write the row."
    )


def _shown(row: object) -> str:
    text = repr(row)
    return text if len(text) < 60 else f"{text[:59]}…"


def _parts(class_name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parts that a pipeline's class takes: those of its constructor without a default, and those it may lack."""
    import diffusers

    with silenced():  # the class is imported now, whoever asks for the model's facts
        kind: Any = getattr(diffusers, class_name, None)
    if kind is None:
        return (), ()
    rows = list(inspect.signature(kind.__init__).parameters.values())[1:]
    required = tuple(row.name for row in rows if row.default is row.empty and row.kind is row.POSITIONAL_OR_KEYWORD)
    return required, tuple(getattr(kind, "_optional_components", ()))
