"""Tensors of weight files that have no place in the part that is read from them: the part is another than was trained.

What is found when a part is read is known by the part's digest, so that whoever uses it later is told, too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.parts import PartSource

__all__ = ["keep_uncounted", "keep_unused", "unused_in_logs", "unused_notes"]

_LOGGER = "diffusers.loaders.single_file_model"
_SAID = "were not used when initializing "
_LITTLE = 1e-3
"""Part of a file's numbers that may be counters and the like."""
_found: dict[tuple[str, str], str] = {}


def keep_unused(part: PartSource, names: Iterable[str]) -> None:
    """Remembers the tensors that a part has left out.

    Args:
        part: The part.
        names: Their names.
    """
    left = sorted(names)
    count = f"{len(left)} tensors of its weight file have" if len(left) > 1 else "1 tensor of its weight file has"
    _found[part.digest, part.class_name] = f"{count} no place ({left[0]})" if left else ""


def keep_uncounted(part: PartSource, module: Any) -> None:
    """The same of a denoiser or VAE in a model's single file, whose converters leave out in silence: by counting.

    Args:
        part: The part.
        module: What was read of it.
    """
    if part.name.startswith("text_encoder") or "" in part.prefixes:
        return
    held = sum(tensor.numel() for tensor in (*module.parameters(), *module.buffers()))
    left = part.values - held
    if left > _LITTLE * held:
        _found[part.digest, part.class_name] = f"{left:,} numbers of its {part.values:,} in the file have no place"


def unused_notes(facts: ModelFacts) -> tuple[str, ...]:
    """What is to be told of a model's parts, as far as they were read in this process.

    Args:
        facts: The model's.
    """
    parts = [part for part in (*facts.sources.values(), *facts.further.values()) if part.weights and _found]
    left = [(part, _found.get((part.digest, part.class_name), "")) for part in parts]
    return tuple(
        f"{part.name} of {facts.name}: {what} in its config.json ({part.class_name}), and nothing uses them. With "
        "fewer layers than were trained pictures are others; fetch the config.json again."
        for part, what in left
        if what
    )


class _Listener(logging.Handler):
    """Takes from a loader's log which tensors it left out; it returns them to nobody."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.left: dict[str, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        _, said, rest = record.getMessage().partition(_SAID)
        if said:
            name, _, names = rest.partition(":")
            self.left.setdefault(name.strip(), []).extend(one.strip() for one in names.strip(" \n[]'\"").split(","))


@contextmanager
def unused_in_logs() -> Iterator[dict[str, list[str]]]:
    """Class to the tensors that diffusers says it left out of a single file, filled until the block ends."""
    listener, logger = _Listener(), logging.getLogger(_LOGGER)
    logger.addHandler(listener)
    try:
        yield listener.left
    finally:
        logger.removeHandler(listener)
