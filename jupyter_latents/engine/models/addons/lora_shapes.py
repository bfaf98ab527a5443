"""Whether a LoRA fits a model, told before any weights are read: from the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.parts import class_of
from jupyter_latents.engine.models.readers import translation_of_errors

__all__ = ["misfit"]

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

_DOWN = re.compile(r"(?P<part>\w+)\.(?P<module>.+)\.(?:lora_A|lora\.down|lora_linear_layer\.down)\.weight")
_FOREIGN = (RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError, NotImplementedError)


def misfit(facts: ModelFacts, pipeline_class: Any, shapes: Shapes) -> str:
    """Why a LoRA cannot be put on a model; empty where it can, or where only its values tell.

    Args:
        facts: The model.
        pipeline_class: The diffusers class that takes its LoRAs.
        shapes: Tensor name to shape of the LoRA's file.

    Raises:
        ModelError: The denoiser of the model cannot be made.
    """
    names = _in_diffusers_words(pipeline_class, shapes) if shapes else None
    if names is None:
        return ""
    parts = {name.partition(".")[0] for name in names} & set(facts.sources)
    if not parts:
        return "none of its tensors belongs to a part of this model"
    if parts != {facts.denoiser}:
        return ""
    inputs = list(_inputs(names, facts.denoiser))
    own = _module_inputs(facts) if inputs else {}
    for module, width in inputs:
        if module in own and own[module] != width:
            return f"its {module} takes {width} values, that of the model {own[module]}"
    return "" if not inputs or any(module in own for module, _ in inputs) else "none of its tensors finds its place"


def _in_diffusers_words(pipeline_class: Any, shapes: Shapes) -> Shapes | None:
    """The tensors by the names that diffusers gives them; None where it needs their values to tell."""
    import torch

    one = torch.ones(())
    try:
        read = pipeline_class.lora_state_dict({name: one.expand(shape) for name, shape in shapes.items()})
    except _FOREIGN:
        return None  # the conversion works with the values, which are read when the model loads: that tells it then
    found = read[0] if isinstance(read, tuple) else read
    return {name: tuple(value.shape) for name, value in found.items()}


def _inputs(names: Shapes, part: str) -> Iterator[tuple[str, int]]:
    """Each module of a part that the LoRA changes, with the width of what goes into it."""
    for name, shape in names.items():
        match = _DOWN.fullmatch(name)
        if match and match["part"] == part and len(shape) > 1:
            yield match["module"], shape[1]


def _module_inputs(facts: ModelFacts) -> dict[str, int]:
    """The same of all modules of the model's denoiser, which is made from its configuration without weights."""
    import torch

    source = facts.sources[facts.denoiser]
    made = class_of(source.library, source.class_name, f"{source.name} of {facts.name}")
    with translation_of_errors(f"{source.name} of {facts.name}"), torch.device("meta"):
        module = made.from_config(dict(source.config))
    weights = ((name, getattr(inner, "weight", None)) for name, inner in module.named_modules())
    return {name: weight.shape[1] for name, weight in weights if weight is not None and weight.dim() > 1}
