"""LoRAs, put on copies of their own of the parts they change: shared parts never know of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_latents.engine.models.describe import ModelFacts
from jupyter_latents.engine.models.extras import Lora
from jupyter_latents.engine.models.readers import assemble, translated
from jupyter_latents.errors import ModelError
from jupyter_latents.wording import option

__all__ = ["changed_parts", "with_loras"]


def changed_parts(facts: ModelFacts) -> list[str]:
    """The parts that the stage's LoRAs change, from their tensors' names.

    Raises:
        ModelError: peft is not installed, the pipeline takes no LoRAs, or a file is none.
    """
    if not facts.loras:
        return []
    if importlib.util.find_spec("peft") is None:
        raise ModelError(
            f"{option('loras')} needs peft, which is not installed: pip install 'jupyter-latents[lora]', or leave "
            f"{option('loras')} out.",
            option="loras",
        )
    pipeline_class = _pipeline_class(facts)
    found: set[str] = set()
    for lora in facts.loras:
        with translated(f"{option('loras')} {lora.path.name}", dest="loras"):
            read = pipeline_class.lora_state_dict(
                str(lora.path.parent), weight_name=lora.path.name, local_files_only=True
            )
        names = read[0] if isinstance(read, tuple) else read
        parts = {name.partition(".")[0] for name in names} & set(facts.sources)
        if not parts:
            raise _unfit(facts, lora, "none of its tensors belongs to a part of this model")
        found |= parts
    return [name for name in facts.sources if name in found]


def with_loras(facts: ModelFacts, parts: Mapping[str, Any], copies: Mapping[str, Any]) -> dict[str, Any]:
    """Puts the stage's LoRAs on copies.

    Args:
        facts: The model.
        parts: Its shared parts, which stay as they are.
        copies: Copies of the parts that `changed_parts` names; they are changed.

    Returns:
        The copies.

    Raises:
        ModelError: A LoRA does not fit the model.
    """
    pipeline = assemble(_pipeline_class(facts), facts, {**parts, **copies})
    names = [f"lora_{index}" for index in range(len(facts.loras))]
    for name, lora in zip(names, facts.loras, strict=True):
        try:
            pipeline.load_lora_weights(
                str(lora.path.parent), weight_name=lora.path.name, adapter_name=name, local_files_only=True
            )
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise _unfit(facts, lora, str(error).splitlines()[0][:200]) from error
        if not any(name in getattr(part, "peft_config", {}) for part in copies.values()):
            raise _unfit(facts, lora, "none of its tensors found its place")
    pipeline.set_adapters(names, [lora.scale for lora in facts.loras])
    return {name: part.eval() for name, part in copies.items()}


def _pipeline_class(facts: ModelFacts) -> Any:
    import diffusers

    found = getattr(diffusers, facts.pipeline_class, None)
    needed: Callable[..., Any] | None = getattr(found, "lora_state_dict", None)
    if needed is None:
        raise ModelError(
            f"{facts.name} is a {facts.pipeline_class}, which takes no LoRAs in diffusers; "
            f"leave {option('loras')} out.",
            option="loras",
        )
    return found


def _unfit(facts: ModelFacts, lora: Lora, reason: str) -> ModelError:
    return ModelError(
        f"{option('loras')}: {lora.path.name} does not fit {facts.name} ({facts.family.name}): {reason}. "
        "Use one made for it.",
        option="loras",
    )
