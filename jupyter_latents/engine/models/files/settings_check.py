"""What a model's folder may not say: names of code that would be fetched, lengths that would take all memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.settings_numbers import check_numbers
from jupyter_latents.engine.models.parts import PartSource, read_json
from jupyter_latents.errors import ModelError

__all__ = ["check_settings"]

_ALLOWED = {
    "attn_implementation": ("eager", "sdpa", "flex_attention"),
    "experts_implementation": ("eager", "batched_mm", "grouped_mm"),
    "quant_method": ("bitsandbytes", "bitsandbytes_4bit", "bitsandbytes_8bit", "modelopt", "quanto", "torchao"),
}
"""Settings whose other values transformers answers with kernels of the hub: code that is fetched."""

_PADDED = ("CLIP", "Bert")  # encoders whose pipelines fill a text up to its tokenizer's whole length
_POSITIONS = 77


def check_settings(facts: ModelFacts) -> None:
    """Sees that a model's files name no code to fetch, and no text longer than its encoders take.

    Args:
        facts: The model.

    Raises:
        ModelError: They do; says in which file.
    """
    for part in (*facts.sources.values(), *facts.further.values()):
        for name, value in _settings(part.config):
            _check_code(facts, part, name, value)
        check_numbers(part, facts.name)
        if part.name.startswith("tokenizer"):
            _check_length(facts, part)


def _settings(value: Any) -> Iterator[tuple[str, str]]:
    """Each text in a configuration with the key that it stands under, the nearest that is named in `_ALLOWED`."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        name, one = stack.pop()
        if isinstance(one, Mapping):
            stack += [(_key(str(key)) or name, inner) for key, inner in one.items()]
        elif isinstance(one, (list, tuple)):
            stack += [(name, inner) for inner in one]
        elif name and isinstance(one, str):
            yield name, one


def _key(key: str) -> str:
    return next((known for known in _ALLOWED if key.strip("_").startswith(known)), "")


def _check_code(facts: ModelFacts, part: PartSource, name: str, value: str) -> None:
    if value not in _ALLOWED[name]:
        raise ModelError(
            f"the config.json of {part.name} in {facts.name} says {name} {value!r}, which code from a hub would do; "
            f"code that a model names is never fetched. Allowed are {', '.join(_ALLOWED[name])}: write one of these "
            "there, or take the line out."
        )


def _goes_by_it(facts: ModelFacts, part: PartSource) -> bool:
    """Whether the pipeline fills texts up to the length that a tokenizer says; others have a length of their own."""
    name = facts.pipeline_class
    goes = name.startswith(("StableDiffusion", "Flux", "LatentConsistency")) and not name.startswith("Flux2")
    return goes and (part.name == "tokenizer" or "XL" in name)


def _check_length(facts: ModelFacts, part: PartSource) -> None:
    encoder = facts.sources.get(f"text_encoder{part.name.removeprefix('tokenizer')}")
    path = part.folder / "tokenizer_config.json"
    if encoder is None or not encoder.class_name.startswith(_PADDED):
        return
    said = read_json(path) if path.is_file() else {}
    length = said.get("model_max_length", said.get("max_len")) if isinstance(said, Mapping) else None
    most = encoder.config.get("max_position_embeddings") or _POSITIONS
    if length is None and _goes_by_it(facts, part):  # transformers reads it as a length without end
        length = math.inf
    if isinstance(length, (int, float)) and not length <= most:
        told = "nothing of model_max_length" if length == math.inf else f"model_max_length {length:g}"
        raise ModelError(
            f"the tokenizer_config.json of {part.name} in {facts.name} says {told}, and its {encoder.name} takes "
            f"{most} tokens. Fetch the file again, or write {most} there."
        )
